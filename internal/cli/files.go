package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stint-cloud/stint/internal/policy"
	"github.com/stint-cloud/stint/internal/store"
)

// The names that are looked for when no file is named.
const (
	defaultFile   = "stint.yaml"
	defaultFolder = "policies"
)

// maxFile is the largest policy file that is read at all; policy.Parse has its own, smaller limit.
const maxFile = 16 << 20

// errNoFiles says that no policy file was named and none is at the usual places.
var errNoFiles = errors.New("no policies: there is neither " + defaultFile + " nor a folder " + defaultFolder + "/ here; " +
	"name a file or folder with -f, or begin with one from the examples folder")

// policyFiles reads the files that were named, or those at the usual places, sorted by name, each once.
func (s *shell) policyFiles(named []string) ([]policy.File, error) {
	if len(named) == 0 {
		switch {
		case exists(defaultFile):
			named = []string{defaultFile}
		case exists(defaultFolder):
			named = []string{defaultFolder}
		default:
			return nil, &exit{code: exitUsage, err: errNoFiles}
		}
	}
	var paths []string
	var wrong []error
	for _, name := range named {
		found, err := expand(name)
		wrong = append(wrong, err)
		for _, p := range found {
			if !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	var out []policy.File
	for _, p := range paths {
		data, err := readPolicy(p)
		wrong = append(wrong, err)
		out = append(out, policy.File{Name: p, Data: data})
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	return out, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// expand turns a folder into its YAML files.
func expand(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, short(err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, short(err)
	}
	var out []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if (ext == ".yaml" || ext == ".yml") && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(name, e.Name()))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: the folder holds no *.yaml and no *.yml", name)
	}
	return out, nil
}

func readPolicy(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%s: too large for a policy file: %s bytes", path, thousands(int(info.Size())))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, short(err)
	}
	return data, nil
}

// short drops the name of the system call.
func short(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// rules reads the policies. Complaints are said; any that is more than a warning ends the command.
func (s *shell) rules() (policy.Rules, []policy.File, error) {
	files, err := s.policyFiles(s.files)
	if err != nil {
		return policy.Rules{}, nil, err
	}
	rules, complaints := policy.Parse(files)
	if policy.Refused(complaints) {
		if s.json() {
			return rules, files, usage("%s", joined(complaints))
		}
		s.showComplaints(s.Err, files, complaints)
		n := 0
		for _, c := range complaints {
			if !c.Warning {
				n++
			}
		}
		return rules, files, usage("the policies are not used: %s", count(n, "thing is wrong in them", "things are wrong in them"))
	}
	if !s.quiet && !s.json() {
		s.showComplaints(s.Err, files, complaints)
	}
	return rules, files, nil
}

func joined(complaints []policy.Complaint) string {
	lines := make([]string, len(complaints))
	for i, c := range complaints {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// The facts under which the command line keeps what later commands need.
const (
	factRules = "rules" // the text of the policies last used, so that what only looks needs no files
	factDemo  = "demo"  // set in a demo's database
)

// keepRules remembers the policies' text. It holds no secret: those are references.
func keepRules(ctx context.Context, st store.Store, files []policy.File) error {
	b, err := json.Marshal(files)
	if err != nil {
		return err
	}
	if was, err := st.Fact(ctx, factRules); err == nil && was == string(b) {
		return nil
	}
	return st.SetFact(ctx, factRules, string(b))
}

// keptRules gives the policies that were last used with this database, and whether there are any.
func keptRules(ctx context.Context, st store.Store) (policy.Rules, bool, error) {
	text, err := st.Fact(ctx, factRules)
	if err != nil || text == "" {
		return policy.Rules{}, false, err
	}
	var files []policy.File
	if json.Unmarshal([]byte(text), &files) != nil {
		return policy.Rules{}, false, nil // written by another version: as if there were none
	}
	demo, err := st.Fact(ctx, factDemo)
	if err != nil {
		return policy.Rules{}, false, err
	}
	var opt policy.Options
	if demo != "" {
		opt.Clouds = demoClouds()
	}
	rules, complaints := policy.ParseWith(opt, files)
	return rules, !policy.Refused(complaints), nil
}
