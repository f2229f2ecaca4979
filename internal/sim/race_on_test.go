//go:build race

package sim

// fewer is by how much the race detector, which makes every step ten times as dear, cuts the number of seeds.
const fewer = 20
