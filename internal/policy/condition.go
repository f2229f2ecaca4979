package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// The bounds of a condition. The cost is CEL's own measure: about one for each operator, and one for each ten characters
// that are compared.
const (
	maxConditionText = 4096
	maxConditionCost = 100_000
)

// Condition is a CEL expression about an instance that is true or false. It is safe for concurrent use. It sees nothing
// but the instance, its account and its tags: no clock, so the same instance is always judged alike.
type Condition struct {
	text    string
	program cel.Program
	slots   sync.Pool // of *activation, so that judging a hundred thousand instances makes little garbage
}

// String is the expression as it stands in the policy.
func (c *Condition) String() string { return c.text }

// MarshalText writes the expression.
func (c *Condition) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// Match judges one instance. An error means that it cannot be judged: the expression asks for a tag that is not there, or
// costs more than is allowed. A nil condition holds for all.
func (c *Condition) Match(s Subject) (bool, error) {
	if c == nil {
		return true, nil
	}
	a, _ := c.slots.Get().(*activation)
	if a == nil {
		a = newActivation()
	}
	a.set(s)
	out, _, err := c.program.Eval(a)
	a.set(Subject{})
	c.slots.Put(a)
	if err != nil {
		return false, evalError(err)
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the condition gave %s, not true or false", out.Type().TypeName())
	}
	return bool(yes), nil
}

// evalError says in our words what CEL's mean.
func evalError(err error) error {
	text := err.Error()
	if key, ok := strings.CutPrefix(text, "no such key: "); ok {
		return fmt.Errorf("there is no tag %s (ask first: %s in tags)", quote(key), quote(key))
	}
	if strings.Contains(text, "cost limit exceeded") {
		return errors.New("it costs more than is allowed")
	}
	return errors.New(text)
}

// ParseCondition compiles an expression by itself; within policies Parse does it.
func ParseCondition(text string) (*Condition, error) {
	var c compiler
	out, faults := c.compile(text)
	for _, f := range faults {
		if !f.warning {
			return nil, errors.New(strings.TrimSuffix(f.problem+" ("+f.hint+")", " ()"))
		}
	}
	return out, nil
}

// compiler makes conditions. Its CEL environment is made when the first one is.
type compiler struct {
	env *cel.Env
	err error
}

// fault is one thing wrong in an expression, at the n-th character of it.
type fault struct {
	index   int
	problem string
	hint    string
	warning bool
	tag     string // the tag that is read without asking; a warning
}

func (c *compiler) compile(text string) (*Condition, []fault) {
	if utf8.RuneCountInString(text) > maxConditionText {
		return nil, []fault{{problem: fmt.Sprintf("the condition is longer than %d characters", maxConditionText)}}
	}
	if c.env == nil && c.err == nil {
		c.env, c.err = newEnv()
	}
	if c.err != nil {
		return nil, []fault{{problem: c.err.Error()}}
	}
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		var out []fault
		for _, e := range issues.Errors() {
			out = append(out, explain(text, e))
			if strings.HasPrefix(e.Message, "Syntax error") {
				break // what follows is mostly the parser trying to find its way back
			}
		}
		return nil, out
	}
	if checked.OutputType() != cel.BoolType {
		return nil, []fault{{problem: "the condition is " + checked.OutputType().String() + ", and has to be true or false", hint: `compare it with something, as tags["env"] == "prod"`}}
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	// Counting the cost while judging makes it three times as slow, so it is left out where the worst case is known to be fine.
	if worst, err := c.env.EstimateCost(checked, sizes{}); err != nil || worst.Max > maxConditionCost {
		opts = []cel.ProgramOption{cel.CostLimit(maxConditionCost)}
	}
	program, err := c.env.Program(checked, opts...)
	if err != nil {
		return nil, []fault{{problem: err.Error()}}
	}
	return &Condition{text: text, program: program}, unasked(checked)
}

// sizes bound what an instance can have, for the estimate of the cost.
type sizes struct{}

// EstimateSize says how large a text or the tags can be.
func (sizes) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	path := element.Path()
	if len(path) == 1 && path[0] == "tags" {
		return &checker.SizeEstimate{Min: 0, Max: 200}
	}
	if len(path) > 1 {
		return &checker.SizeEstimate{Min: 0, Max: 1024}
	}
	return nil
}

// EstimateCallCost leaves the cost of calls to CEL.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// unasked finds tags that the expression reads without asking anywhere whether they are there.
func unasked(checked *cel.Ast) []fault {
	rep := checked.NativeRep()
	asked := map[string]bool{}
	type read struct {
		key string
		id  int64
	}
	var reads []read
	isTags := func(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == "tags" }
	text := func(e ast.Expr) (string, bool) {
		if e.Kind() != ast.LiteralKind {
			return "", false
		}
		s, ok := e.AsLiteral().(types.String)
		return string(s), ok
	}
	ast.PreOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			if s := e.AsSelect(); isTags(s.Operand()) {
				if s.IsTestOnly() {
					asked[s.FieldName()] = true
				} else {
					reads = append(reads, read{s.FieldName(), e.ID()})
				}
			}
		case ast.CallKind:
			call := e.AsCall()
			if len(call.Args()) != 2 {
				return
			}
			switch call.FunctionName() {
			case operators.In:
				if key, ok := text(call.Args()[0]); ok && isTags(call.Args()[1]) {
					asked[key] = true
				}
			case operators.Index:
				if key, ok := text(call.Args()[1]); ok && isTags(call.Args()[0]) {
					reads = append(reads, read{key, e.ID()})
				}
			}
		}
	}))
	var out []fault
	for _, r := range reads {
		if asked[r.key] {
			continue
		}
		asked[r.key] = true
		at := rep.SourceInfo().GetStartLocation(r.id)
		out = append(out, fault{
			index: runeIndex(checked.Source().Content(), at.Line(), at.Column()), warning: true, tag: r.key,
			problem: "an instance without tag " + quote(r.key) + " cannot be judged, and is not covered",
			hint:    "ask first: " + quote(r.key) + " in tags && …",
		})
	}
	return out
}

// runeIndex turns a line from one and a column from zero into a count of characters.
func runeIndex(text string, line, column int) int {
	index := 0
	for n, l := range strings.SplitAfter(text, "\n") {
		if n+1 == line {
			return index + max(column, 0)
		}
		index += utf8.RuneCountInString(l)
	}
	return index
}

// explain turns CEL's error into a fault with a suggestion.
func explain(text string, e *common.Error) fault {
	f := fault{index: runeIndex(text, e.Location.Line(), e.Location.Column())}
	first, _, _ := strings.Cut(e.Message, "\n")
	variables := []string{"resource", "instance", "account", "tags"}
	inner := func(pattern string) (string, bool) {
		m := regexp.MustCompile(pattern).FindStringSubmatch(first)
		if m == nil {
			return "", false
		}
		return m[1], true
	}
	if name, ok := inner(`^undefined field '([^']*)'`); ok {
		known := instanceFields()
		if strings.Contains(text, "account."+name) {
			known = accountFields()
		}
		f.problem, f.hint = "the condition asks for "+quote(name)+", which is not there", meant(name, known)
		return f
	}
	if name, ok := inner(`^undeclared reference to '([^']*)'`); ok {
		f.problem = "the condition does not know " + quote(name)
		switch {
		case name == "now" || name == "getDate":
			f.hint = "conditions have no clock: schedule and keep do"
		case slices.Contains(instanceFields(), name):
			f.hint = `did you mean "resource.` + name + `"?`
		default:
			f.hint = meant(name, variables)
		}
		return f
	}
	if rest, ok := inner(`^found no matching overload for (.*)$`); ok {
		f.problem = "the condition's types do not fit: " + readableOperator(rest)
		if strings.Contains(rest, "string") && strings.Contains(rest, "int") {
			f.hint = "text stands in quotes, numbers do not"
		}
		return f
	}
	if rest, ok := inner(`^Syntax error: (.*)$`); ok {
		f.problem = "the condition is not CEL: " + rest
		if strings.Contains(rest, "recognition error at: '=") {
			f.problem, f.hint = "the condition is not CEL: a single =", "write == to compare"
		} else if strings.Contains(text, " and ") || strings.Contains(text, " or ") || strings.Contains(text, " not ") {
			f.hint = "write && for and, || for or, ! for not"
		}
		return f
	}
	f.problem = "the condition is not right: " + first
	return f
}

// readableOperator shows _==_ as ==.
func readableOperator(text string) string {
	return regexp.MustCompile(`'(@?_?)([^'_@]+)_?' applied to '\((.*)\)'`).ReplaceAllString(text, "$2 between ($3)")
}

// where reads a condition, with every fault at its own place in the file.
func (r *reader) where(s spot, sel Select) *Condition {
	if !s.wanted(kindText, `as tags["env"] == "prod"`) {
		return nil
	}
	if strings.TrimSpace(s.n.text) == "" {
		s.complain("where is empty", "leave it out, or say a condition")
		return nil
	}
	if r.conditions == nil {
		r.conditions = &compiler{}
	}
	c, faults := r.conditions.compile(s.n.text)
	for _, f := range faults {
		if f.tag != "" && slices.ContainsFunc(sel.Tags, func(m TagMatch) bool { return m.Key == f.tag }) {
			continue // select lets only instances through that have it
		}
		pos := s.n.src.within(s.n, f.index)
		if f.warning {
			r.warn(pos, s.path, f.problem, f.hint)
		} else {
			r.complain(pos, s.path, f.problem, f.hint)
		}
	}
	return c
}
