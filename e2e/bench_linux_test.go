package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cpuTimes tells how much of the machine others have used since it was taken.
type cpuTimes struct{ all, idle, own float64 }

// clockTick is the unit of /proc/stat: 100 a second on every Linux.
const clockTick = 100.0

func takeCPUTimes() *cpuTimes {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	var t cpuTimes
	var user, nice, system, idle, iowait, irq, softirq, steal float64
	if _, err := fmt.Sscanf(string(text), "cpu %g %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return nil
	}
	t.idle = (idle + iowait) / clockTick
	t.all = (user+nice+system+irq+softirq+steal)/clockTick + t.idle
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var use syscall.Rusage
		if err := syscall.Getrusage(who, &use); err != nil {
			return nil
		}
		t.own += time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
	}
	return &t
}

// others is the part of the machine's time since then that went to processes
// which are neither this one nor children of it that have ended.
func (t *cpuTimes) others() (float64, bool) {
	now := takeCPUTimes()
	if t == nil || now == nil {
		return 0, false
	}
	all := now.all - t.all
	return max(0, all-(now.idle-t.idle)-(now.own-t.own)) / all, true
}

// peakOf is the most memory that a process has had which has ended, in MB.
func peakOf(p *os.ProcessState) float64 {
	use, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(use.Maxrss) / 1024
}

// nap sleeps for less than a millisecond, which time.Sleep makes of anything
// shorter where nothing else runs: Go waits for timers in epoll_wait.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(d.Nanoseconds())
	syscall.Nanosleep(&ts, nil)
}

// peakMemory is the most memory that a running serve has had, in MB.
func (n *node) peakMemory() float64 { return n.memory("VmHWM") }

// memory is a line of /proc/PID/status, in MB.
func (n *node) memory(line string) (mb float64) {
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(n.proc.cmd.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(l, line+":"); ok {
			fmt.Sscanf(kb, "%g", &mb)
		}
	}
	return mb / 1024
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf is the processor time that a running process has used, in seconds.
func cpuOf(p *process) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / clockTick
}
