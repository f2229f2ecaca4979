//go:build race

package sim

// The race detector makes every step ten times as dear, and one at a time is at work anyway.
func init() { *seeds = 10 }
