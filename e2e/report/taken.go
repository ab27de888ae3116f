package main

// quiet is how much of the machine others may use while figures are taken.
const quiet = 0.05

// writeTaken says on what, with what and when the figures were taken.
func writeTaken(p func(string, ...any), m measures, settings map[string]string) {
	get := func(key string) string {
		if v := settings[key]; v != "" {
			return v
		}
		return "unknown"
	}
	p("Taken %s at commit %s: %s, %s processors, %s memory, %s, temporary files on %s; %s, driver %s, the `sqlite3`", get("date"), get("commit"),
		get("cpu"), get("cpus"), get("memory"), get("kernel"), get("disk"), get("go"), get("driver"))
	p("program %s; %s.", get("sqlite3"), get("version"))
	if settings["short"] == "true" {
		p("")
		p("**Taken with `-short`**: a look at whether the benchmarks run, too small to be figures.")
	}
	if others, ok := m["Machine"]["others"]; ok && others > quiet {
		p("")
		p("**Noisy**: other programs used %.0f %% of the machine meanwhile. Take it again where nothing else runs.", 100*others)
	}
}
