//go:build race

package storetest

// Many is how many things a large scope of the exam has; see the other file.
const Many = 700
