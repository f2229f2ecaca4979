// Package e2e plays whole stories with the real program: started as a process, killed as kill -9 does, and judged from
// outside, by clients that nobody here wrote.
//
// It promises that what it makes in a cloud is removed again, and that nothing it started runs when it ends. It refuses
// to run by accident: without STINT_E2E=1 every story is skipped, and with it nothing is.
package e2e
