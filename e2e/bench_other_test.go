//go:build !linux

package e2e_test

import (
	"os"
	"time"
)

// Other systems tell neither what processes use nor how busy they are; there
// the figures of it are 0 or missing.

type cpuTimes struct{}

func takeCPUTimes() *cpuTimes { return nil }

func (*cpuTimes) others() (float64, bool) { return 0, false }

func peakOf(*os.ProcessState) float64 { return 0 }

func (*node) peakMemory() float64 { return 0 }

func (*node) memory(string) float64 { return 0 }

func cpuOf(*process) float64 { return 0 }

var begun = time.Now()

// ownCPU is the time that has passed, which is more.
func ownCPU() time.Duration { return time.Since(begun) }

func nap(d time.Duration) { time.Sleep(d) }
