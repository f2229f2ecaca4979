//go:build !race

package storetest

// Many is how many things a large scope of the exam has. SQLite in Go is a hundred times slower under the race detector,
// which looks at every one of its memory accesses; fewer things show as much there.
const Many = 20_000
