// Package storetest is the exam that every store sits.
//
// It promises that two stores which pass it answer alike: every method, what happens when two want the same row, and
// what must survive. It refuses to look inside: it asks through the interface alone.
package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/store"
)

// Run examines the stores that open makes. Each one is empty, and is closed by open's own cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	exam := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"Surveys", testSurveys},
		{"SurveyDifferences", testDifferences},
		{"SurveyAsked", testAsked},
		{"SurveyGrace", testGrace},
		{"SurveyOlderLook", testOlderLook},
		{"SurveyStale", testSurveyStale},
		{"SurveyManyItems", testManyItems},
		{"DropScopes", testDropScopes},
		{"World", testWorld},
		{"WorldOfScopes", testWorldOfScopes},
		{"WorldIsWhatWasSaved", testWorldRapid},
		{"Accounts", testAccounts},
		{"Policies", testPolicies},
		{"StartRun", testStartRun},
		{"StartRunAtOnce", testStartRunAtOnce},
		{"Runs", testRuns},
		{"Actions", testActions},
		{"ActionFilter", testActionFilter},
		{"SwapAtOnce", testSwapAtOnce},
		{"Incidents", testIncidents},
		{"Record", testRecord},
		{"RecordTexts", testRecordTexts},
		{"RecordFilter", testRecordFilter},
		{"RecordWith", testRecordWith},
		{"RecordAtOnce", testRecordAtOnce},
		{"RecordPruned", testRecordPruned},
		{"Facts", testFacts},
		{"Texts", testTexts},
		{"Times", testTimes},
		{"Due", testDue},
		{"Prune", testPrune},
		{"Pace", testPace},
		{"PacePushed", testPacePushed},
		{"PaceAtOnce", testPaceAtOnce},
		{"Cancelled", testCancelled},
	}
	for _, e := range exam {
		t.Run(e.name, func(t *testing.T) { e.run(t, open(t)) })
	}
}

// start is a time that no rounding leaves alone.
func start() time.Time { return time.Date(2026, 11, 21, 2, 0, 0, 123456000, time.UTC) }

func after(d time.Duration) time.Time { return start().Add(d) }

// texts are what people and clouds write.
func texts() []string {
	return []string{
		"", "plain", "it's \"quoted\" and `ticked`", "50% _off_ \\ $1 ? :a @b", "日本語 中文 한국어 Ελληνικά", "🦀 👩‍👩‍👧‍👦 e\u0301",
		"line\nbreak\ttab\r\n", "'; DROP TABLE run; --", "<b>&amp;</b>", "[]", "null", "{}", strings.Repeat("long 長 ", 40_000),
	}
}

func scopeOf(account, region string, kind cloud.Kind) cloud.Scope {
	return cloud.Scope{Account: account, Region: region, Kind: kind}
}

// ok ends the test when a call failed that must not.
func ok(t *testing.T, call string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: got error %v, want none", call, err)
	}
}

// wants ends the test when the error is not of the wanted kind.
func wants(t *testing.T, call string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", call, err, want)
	}
}

// same compares deeply.
func same(t *testing.T, call string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", call, got, want)
	}
}

func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.SetFact(ctx, "k", "v")
	wants(t, "SetFact with a cancelled context", err, context.Canceled)
	ok(t, "SetFact after a cancelled one", s.SetFact(t.Context(), "k", "w"))
	got, err := s.Fact(t.Context(), "k")
	ok(t, "Fact", err)
	same(t, "Fact", got, "w")
}
