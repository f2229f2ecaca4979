// Command bench measures Stint: how long it thinks, how long it takes, what it needs, how often it calls.
//
// It promises that every figure is measured in the run that prints it, by processes of their own, with the fake cloud's
// work outside of the client's; that what is compared was measured in turns on the same machine; and that it ends with
// exit code 1 when a target is missed. It refuses to quote a peer that is not installed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// bench is one run of the whole.
type bench struct {
	stint string // the program to measure
	self  string // this program, for the parts that need a process of their own
	dir   string // for what is written on the way
	runs  int
	lines []line
	notes []string // sentences below the table
}

func main() {
	parts := map[string]func([]string) error{"fake": fakeMain, "load-fake": loadFakeMain, "plan-once": planMain, "engine": engineMain, "stint": stintMain}
	if len(os.Args) > 1 && parts[os.Args[1]] != nil {
		if err := parts[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	missed, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d missed\n", missed)
		os.Exit(1)
	}
}

func run() (missed int, err error) {
	var (
		b       bench
		only    = flag.String("only", "", "measure only what matches this `REGEX`")
		jsonTo  = flag.String("json", "", "write the figures as JSON to `FILE`")
		figures = flag.String("figures", "", "write the page of figures to `FILE`")
	)
	flag.StringVar(&b.stint, "stint", "bin/stint", "the `PROGRAM` to measure")
	flag.IntVar(&b.runs, "runs", 3, "how often each costly thing is done")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		return 0, err
	}
	if b.stint, err = exec.LookPath(b.stint); err != nil {
		return 0, err
	}
	if b.stint, err = filepath.Abs(b.stint); err != nil {
		return 0, err
	}
	if b.self, err = os.Executable(); err != nil {
		return 0, err
	}
	if b.dir, err = os.MkdirTemp("", "stint-bench-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(b.dir)
	fmt.Println(heading())
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"plan", b.plan},
		{"foresee", b.foresee},
		{"check", b.check},
		{"start", b.start},
		{"protect", b.protect},
		{"calls", b.calls},
		{"throttled", b.throttled},
		{"pace", b.pace},
		{"expire", b.expire},
		{"engine", b.engine},
		{"load", b.load},
		{"workers", b.workers},
	} {
		if !match.MatchString(part.name) {
			continue
		}
		if err := part.do(); err != nil {
			return 0, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	for _, l := range b.lines {
		if l.Missed {
			missed++
		}
	}
	if *jsonTo != "" {
		data, err := json.MarshalIndent(report{Machine: machine(), Lines: b.lines}, "", "  ")
		if err != nil {
			return missed, err
		}
		if err := os.WriteFile(*jsonTo, append(data, '\n'), 0o644); err != nil {
			return missed, err
		}
	}
	if *figures != "" {
		if err := os.WriteFile(*figures, b.page(), 0o644); err != nil {
			return missed, err
		}
	}
	return missed, nil
}
