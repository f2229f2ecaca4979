package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/stint-cloud/stint/internal/app"
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/cloud/intercept"
	"github.com/stint-cloud/stint/internal/store"
)

// metrics are what serve tells Prometheus: counters of what passes, and a collector of what the store holds.
type metrics struct {
	registry  *prometheus.Registry
	actions   *prometheus.CounterVec
	calls     *prometheus.CounterVec
	callTime  *prometheus.HistogramVec
	throttles *prometheus.CounterVec
	plans     *prometheus.HistogramVec
	reloads   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stint_actions_total", Help: "Actions that ended in this process, by verb and state.",
		}, []string{"verb", "state"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stint_cloud_calls_total", Help: "Calls to clouds, retries counted as one, by operation, account and outcome (ok or the error's class).",
		}, []string{"op", "account", "outcome"}),
		callTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stint_cloud_call_seconds", Help: "How long calls to clouds took, waiting for their pace included.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"op", "account"}),
		throttles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stint_cloud_throttles_total", Help: "Calls that ended in the cloud's, or our own pace's, answer that it was asked too often.",
		}, []string{"account", "region"}),
		plans: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stint_plan_seconds", Help: "How long plans took to make.", Buckets: []float64{.001, .01, .1, .5, 1, 5, 15, 60},
		}, []string{"policy"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stint_policy_loads_total", Help: "How often the policy files were read, by outcome (ok or refused).",
		}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.actions, m.calls, m.callTime, m.throttles, m.plans, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// event counts what an app says.
func (m *metrics) event(e app.Event) {
	switch {
	case e.What == "planned":
		m.plans.WithLabelValues(e.Policy).Observe(e.Took.Seconds())
	case e.Action != nil:
		m.actions.WithLabelValues(e.Action.Verb.String(), string(e.Action.State)).Inc()
	}
}

// sink counts calls.
func (m *metrics) sink(_ context.Context, r intercept.Record) {
	outcome := cloud.ClassName(r.Err)
	if r.Err == nil {
		outcome = "ok"
	}
	m.calls.WithLabelValues(r.Call.Op, r.Call.Account, outcome).Inc()
	m.callTime.WithLabelValues(r.Call.Op, r.Call.Account).Observe(r.Took.Seconds())
	if cloud.ClassOf(r.Err) == cloud.ErrThrottled {
		m.throttles.WithLabelValues(r.Call.Account, r.Call.Region).Inc()
	}
}

// state collects from the store whenever Prometheus asks.
type state struct {
	ctx    context.Context // of the server: Collect is given none
	status func(ctx context.Context) (app.Status, error)
	store  store.Store
	log    *slog.Logger

	surveyAge, backupAge, covers, incidents, queue, active, failed *prometheus.Desc
}

func newState(ctx context.Context, st store.Store, status func(context.Context) (app.Status, error), log *slog.Logger) *state {
	d := prometheus.NewDesc
	return &state{
		ctx: ctx, status: status, store: st, log: log,
		surveyAge: d("stint_survey_age_seconds", "How long ago a scope was last listed to the end; missing when it never was.", []string{"account", "region", "kind"}, nil),
		failed:    d("stint_survey_failing", "1 while a scope cannot be listed.", []string{"account", "region", "kind"}, nil),
		backupAge: d("stint_newest_backup_age_seconds", "Age of the newest complete backup of the instance that is worst off under the policy.", []string{"policy"}, nil),
		covers:    d("stint_instances", "Instances by policy and how well they are protected; no policy is an empty label.", []string{"policy", "state"}, nil),
		incidents: d("stint_incidents_open", "Open incidents.", nil, nil),
		queue:     d("stint_queue_depth", "Rows whose time has come.", []string{"kind"}, nil),
		active:    d("stint_runs_active", "Runs that have not ended.", nil, nil),
	}
}

// Describe sends what Collect may send.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.surveyAge, s.failed, s.backupAge, s.covers, s.incidents, s.queue, s.active} {
		ch <- d
	}
}

// Collect reads the store. What cannot be read is missing, and logged.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
	defer cancel()
	st, err := s.status(ctx)
	if err != nil {
		s.log.Error("the status could not be read for the metrics", "err", err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, v := range st.Surveys {
		labels := []string{v.Scope.Account, v.Scope.Region, v.Scope.Kind.String()}
		if !v.Look.SeenAt.IsZero() {
			gauge(s.surveyAge, st.At.Sub(v.Look.SeenAt).Seconds(), labels...)
		}
		failing := 0.0
		if v.Look.Problem != "" {
			failing = 1
		}
		gauge(s.failed, failing, labels...)
	}
	type cell struct {
		policy string
		cover  app.Cover
	}
	cells, worst := map[cell]int{}, map[string]time.Duration{}
	for _, p := range st.Protected {
		cells[cell{p.Policy, p.Cover}]++
		if !p.Newest.IsZero() {
			worst[p.Policy] = max(worst[p.Policy], st.At.Sub(p.Newest))
		}
	}
	for c, n := range cells {
		gauge(s.covers, float64(n), c.policy, string(c.cover))
	}
	for name, age := range worst {
		gauge(s.backupAge, age.Seconds(), name)
	}
	gauge(s.incidents, float64(len(st.Incidents)))
	gauge(s.active, float64(len(st.Active)))
	s.depth(ctx, st.At, gauge)
}

func (s *state) depth(ctx context.Context, at time.Time, gauge func(*prometheus.Desc, float64, ...string)) {
	due, err := s.store.Due(ctx, at, 10_000)
	if err != nil {
		s.log.Error("what is due could not be read for the metrics", "err", err)
		return
	}
	n := map[string]int{"action": 0, "survey": 0, "policy": 0}
	for _, d := range due {
		n[d.Kind]++
	}
	for kind, v := range n {
		gauge(s.queue, float64(v), kind)
	}
}
