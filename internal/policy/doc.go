// Package policy turns policy files, which are pure data in YAML, into typed rules.
//
// It promises that a file that passes means one thing only: unknown words, wrong types, impossible schedules, conditions
// that do not type-check and selectors that would select everything by accident are complaints, each with its file, line
// and column, what is wrong and the nearest right word, all of them at once. It refuses to read files, environment or
// clock: the caller hands it the bytes. Secrets appear only as references (env:NAME, file:PATH), never as values.
package policy
