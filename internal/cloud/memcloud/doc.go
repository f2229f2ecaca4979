// Package memcloud is a cloud in memory: the readable reference of what package cloud asks of a provider, and the stage
// on which the demo, the simulation and the tests play.
//
// It promises every ability and every awkwardness that the real clouds have (work that takes time, fails or never ends,
// listings that lag behind, quotas, locks, names that are taken, answers that are lost), each when its owner says so and
// never by chance: the same calls at the same times give the same ids and the same answers. It has hands for people and
// for fate, which no provider has. It refuses to own a clock, a timer or a goroutine: what a thing looks like follows
// from Options.Now at the moment of looking. It is safe for concurrent use.
package memcloud
