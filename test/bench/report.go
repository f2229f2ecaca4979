package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// line is one figure.
type line struct {
	What   string  `json:"what"`
	Target string  `json:"target,omitempty"` // empty: told, not judged
	Figure float64 `json:"figure"`
	Unit   string  `json:"unit"`
	Of     string  `json:"of"` // how the figure comes from the runs
	Missed bool    `json:"missed,omitempty"`
	Ratio  string  `json:"ratio,omitempty"` // against a peer that ran in turns with it
}

type report struct {
	Machine string `json:"machine"`
	Lines   []line `json:"lines"`
}

const columns = "%-58s %12s %14s  %-5s %s\n"

func heading() string {
	return fmt.Sprintf("%s\n\n"+strings.TrimSuffix(columns, "\n"), machine(), "what", "figure", "target", "", "how")
}

// tell prints a figure without a target.
func (b *bench) tell(what string, figure float64, unit, of, ratio string) {
	b.add(line{What: what, Figure: figure, Unit: unit, Of: of, Ratio: ratio})
}

// atMost judges a figure that should be small.
func (b *bench) atMost(what string, figure, limit float64, unit, of, ratio string) {
	b.add(line{What: what, Figure: figure, Unit: unit, Of: of, Ratio: ratio, Target: strings.TrimSpace("≤ " + number(limit) + " " + unit), Missed: !(figure <= limit)})
}

// atLeast judges a figure that should be large.
func (b *bench) atLeast(what string, figure, limit float64, unit, of string) {
	b.add(line{What: what, Figure: figure, Unit: unit, Of: of, Target: "≥ " + number(limit) + " " + unit, Missed: !(figure >= limit)})
}

func (b *bench) add(l line) {
	b.lines = append(b.lines, l)
	fmt.Printf(columns, l.What, number(l.Figure)+" "+l.Unit, l.Target, l.verdict(), l.how())
}

func (l line) verdict() string {
	switch {
	case l.Missed:
		return "MISS"
	case l.Target != "":
		return "pass"
	}
	return ""
}

func (l line) how() string {
	if l.Ratio == "" {
		return l.Of
	}
	return l.Of + "; " + l.Ratio
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// page is docs/reference/figures.md.
func (b *bench) page() []byte {
	var out bytes.Buffer
	out.WriteString(`# Figures

This page is written by ` + "`make bench`" + ` (` + "`test/bench/run`" + `), which measures the program on the machine that it runs on and fails when a target is
missed. Wall time depends on what else the machine does; CPU time, memory and calls hardly do.

Machine: ` + machine() + `. The clouds are fakes in processes of their own, on the same machine, with 100 ms added to each call
where "far" is said.

| what | figure | target | | how |
|---|---:|---:|---|---|
`)
	for _, l := range b.lines {
		fmt.Fprintf(&out, "| %s | %s %s | %s | %s | %s |\n", l.What, number(l.Figure), l.Unit, l.Target, l.verdict(), l.how())
	}
	for _, note := range b.notes {
		out.WriteString("\n" + note + "\n")
	}
	return out.Bytes()
}

// machine describes where the figures are from: processors, memory, system.
func machine() string {
	model, memory := "", ""
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan() && model == ""; {
			if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = " " + strings.TrimSpace(value)
			}
		}
	}
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			if kb, err := strconv.Atoi(fields[1]); err == nil {
				memory = fmt.Sprintf(", %d GB", (kb+512*1024)/(1024*1024))
			}
		}
	}
	return fmt.Sprintf("%d ×%s%s, %s/%s, %s", runtime.NumCPU(), model, memory, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

func pick[T any](list []T, of func(T) float64) []float64 {
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = of(v)
	}
	return out
}
