// Package sim plays the whole program against a cloud in memory, in virtual time, under a scheduler that a seed drives:
// real planner, real jobs, real SQLite; several processes, which are killed between any two effects; calls that are
// throttled, refused, lost on the way there or on the way back; listings that are cut or come from replicas; work in the
// cloud that fails or never ends; clocks that are wrong; policies that are edited; and people who hold, release, delete
// and retag things by hand.
//
// It promises that a seed plays the same every time, step for step, and that after every effect on a cloud the laws are
// checked by a model that shares no code with what decides: it knows the policies from how they were drawn, and the
// things from what is truly there. It refuses to be lenient by accident: where the model allows something for a while
// (a hold that is a minute old), the allowance is a named constant, and docs/reference/guarantees.md tells of it.
//
// Play must be called inside a testing/synctest bubble. It is for tests, and nothing of it is linked into the program.
package sim
