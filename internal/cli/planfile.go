package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/stint-cloud/stint/internal/plan"
)

const (
	planFormat   = 1
	maxPlanBytes = 256 << 20 // a million actions
)

// writePlan writes a plan for a later apply, whole or not at all.
func writePlan(path string, p plan.Plan) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return short(err)
	}
	defer os.Remove(tmp.Name()) // fails once it is renamed
	_, err = tmp.Write(append(b, '\n'))
	if err := errors.Join(err, tmp.Close()); err != nil {
		return short(err)
	}
	return os.Rename(tmp.Name(), path)
}

// readPlan reads a plan that writePlan wrote. What it holds is a promise that a person has read, so nothing in it that
// is not understood is passed over, and every id must be the one that its action's content gives.
func readPlan(path string) (plan.Plan, error) {
	var p plan.Plan
	bad := func(format string, args ...any) (plan.Plan, error) {
		return plan.Plan{}, usage("%s: "+format+": make a new one with `stint plan --out %s`", append(append([]any{path}, args...), path)...)
	}
	f, err := os.Open(path)
	if err != nil {
		return p, &exit{code: exitUsage, err: short(err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPlanBytes+1))
	if err != nil {
		return p, short(err)
	}
	if len(b) > maxPlanBytes {
		return bad("too large for a plan, more than %d bytes", maxPlanBytes)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return bad("not a plan: %v", err)
	}
	if head.Format != planFormat {
		return bad("a plan of format %d, and this version reads format %d", head.Format, planFormat)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return bad("not a plan: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the plan")
	}
	seen := map[string]bool{}
	for i, a := range p.Actions {
		if want := plan.ActionID(a); a.ID != want || seen[a.ID] {
			return bad("action %d (%s) was changed since the plan was made", i+1, a.ID)
		}
		seen[a.ID] = true
	}
	return p, nil
}

// planExit is the exit code of plan.
func planExit(p plan.Plan, problems int) int {
	switch {
	case !p.Empty():
		return exitPending
	case grave(p.Findings) > 0 || problems > 0:
		return exitPartly
	}
	return exitDone
}
