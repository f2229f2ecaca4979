package policy

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stint-cloud/stint/internal/schedule"
)

// reader collects what the files say and what is wrong with them.
type reader struct {
	opt        Options
	complaints []Complaint
	conditions *compiler
	accounts   map[string]declared[Account]
	policies   map[string]declared[Policy]
	channels   map[string]declared[Channel]
	zones      map[string]zoneAnswer
	unread     bool // a file could not be read, so what it would have named is not known
}

// declared is something with a name, and whether it is right: also what is wrong may be referred to.
type declared[T any] struct {
	value T
	pos   Position
	good  bool
}

func (r *reader) complain(pos Position, path, problem, hint string) {
	r.complaints = append(r.complaints, Complaint{Pos: pos, Path: path, Problem: problem, Hint: hint})
}

func (r *reader) warn(pos Position, path, problem, hint string) {
	r.complaints = append(r.complaints, Complaint{Pos: pos, Path: path, Problem: problem, Hint: hint, Warning: true})
}

// refused counts the complaints that are more than warnings; a part that adds none is right.
func (r *reader) refused() int {
	n := 0
	for _, c := range r.complaints {
		if !c.Warning {
			n++
		}
	}
	return n
}

// spot is a node with its path; its methods read it as what is wanted there, or complain.
type spot struct {
	r    *reader
	n    *node
	key  *node // whose value it is; nil in a list and at the top
	path string
}

func (s spot) complain(problem, hint string) { s.r.complain(s.n.pos, s.path, problem, hint) }
func (s spot) warn(problem, hint string)     { s.r.warn(s.n.pos, s.path, problem, hint) }

// keyPos is where to say that something below is missing.
func (s spot) keyPos() Position {
	if s.key != nil {
		return s.key.pos
	}
	return s.n.pos
}

func (s spot) is(k kind) bool { return s.n.kind == k }

// wanted complains unless the node is of that kind.
func (s spot) wanted(k kind, example string) bool {
	switch {
	case s.n.kind == k:
		return true
	case s.n.kind == kindNull:
		s.complain(s.what()+"has no value", example)
	default:
		s.complain(s.what()+"wants "+k.String()+", not "+s.n.kind.String(), example)
	}
	return false
}

// what names the value in a message.
func (s spot) what() string {
	switch {
	case s.key != nil:
		return quote(s.key.text) + " "
	case s.path == "":
		return "a policy file "
	}
	return "an item of the list "
}

func (s spot) child(key, value *node) spot {
	return spot{r: s.r, n: value, key: key, path: joined(s.path, key.text)}
}

func joined(path, key string) string {
	for _, c := range key {
		if !(c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return path + "[" + quote(key) + "]"
		}
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// pairs are the entries of a mapping in which every key is free.
func (s spot) pairs(example string) ([]spot, bool) {
	if !s.wanted(kindMap, example) {
		return nil, false
	}
	out := make([]spot, len(s.n.entries))
	for i, e := range s.n.entries {
		out[i] = s.child(e.key, e.value)
	}
	return out, true
}

// fields are the entries of a mapping whose words are those of the shape.
type fields map[string]spot

// fields complains about every word that the shape does not have. Words of a later version are named as such.
func (s spot) fields(shape any, example string) (fields, bool) {
	pairs, ok := s.pairs(example)
	if !ok {
		return nil, false
	}
	allowed, later := wordsOf(shape)
	out := fields{}
	for _, p := range pairs {
		word := p.key.text
		switch {
		case contains(allowed, word):
			out[word] = p
		case contains(later, word):
			s.r.complain(p.key.pos, p.path, "this version does not do "+quote(word)+" yet", "leave it out")
		default:
			path := p.path
			_, secret := shape.(shapeCredentials)
			shown := quote(word)
			if secret && !wordPattern().MatchString(word) {
				shown, path = "that stands here", s.path // it may be the secret itself
				s.r.complain(p.key.pos, path, "the word "+shown+" is not known here", oneOf(allowed))
				continue
			}
			s.r.complain(p.key.pos, path, "unknown word "+shown, meant(word, allowed))
		}
	}
	return out, true
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

func wordPattern() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_-]{1,24}$`) }

// wordsOf are the words of a shape in the order of its fields, and those that only a later version does.
func wordsOf(shape any) (allowed, later []string) {
	t := reflect.TypeOf(shape)
	for i := range t.NumField() {
		if word, ok := t.Field(i).Tag.Lookup("later"); ok {
			later = append(later, word)
			continue
		}
		word, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		allowed = append(allowed, word)
	}
	return allowed, later
}

// text reads text. Plain words that YAML readers take for something else are refused: what one reader calls NO, another
// calls false.
func (s spot) text(example string) (string, bool) {
	if !s.wanted(kindText, example) {
		return "", false
	}
	text := s.n.text
	switch {
	case strings.TrimSpace(text) == "":
		s.complain(s.what()+"is empty", example)
		return "", false
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		s.complain(s.what()+"has a line break or a control character in it", example)
		return "", false
	case s.n.plain() && looksOther(text) != "":
		s.complain(quote(text)+" without quotes is "+looksOther(text)+" to YAML, and text is wanted", `write "`+text+`"`)
		return "", false
	}
	return text, true
}

// looksOther says what YAML readers of any version may take a plain scalar for, when it is not text.
func looksOther(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "y", "n":
		return "yes or no"
	}
	digits := strings.ReplaceAll(strings.TrimLeft(text, "+-"), "_", "")
	if digits == "" {
		return ""
	}
	if _, err := strconv.ParseFloat(digits, 64); err == nil && (digits[0] >= '0' && digits[0] <= '9' || digits[0] == '.') {
		return "a number"
	}
	if _, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return "a number"
	}
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return "a date"
	}
	return ""
}

// texts reads a list of one or more texts, each once, and leaves out what is none.
func (s spot) texts(example string) ([]spot, bool) {
	if s.is(kindText) {
		s.complain(s.what()+"wants a list, not a single value", "write ["+strings.Trim(quote(s.n.text), `"`)+"]")
		return nil, false
	}
	if !s.wanted(kindList, example) {
		return nil, false
	}
	if len(s.n.items) == 0 {
		s.complain(s.what()+"is an empty list", example)
		return nil, false
	}
	var out []spot
	seen := map[string]bool{}
	for i, n := range s.n.items {
		item := spot{r: s.r, n: n, path: s.path + "[" + strconv.Itoa(i) + "]"}
		text, good := item.text("")
		if !good {
			continue
		}
		if seen[text] {
			item.warn(quote(text)+" stands in the list twice", "")
			continue
		}
		seen[text] = true
		out = append(out, item)
	}
	return out, len(out) > 0
}

func words(spots []spot) []string {
	out := make([]string, len(spots))
	for i, s := range spots {
		out[i] = s.n.text
	}
	return unique(out)
}

// yes reads true or false.
func (s spot) yes() bool {
	if !s.wanted(kindText, "true or false") {
		return false
	}
	switch {
	case s.n.plain() && s.n.text == "true":
		return true
	case s.n.plain() && s.n.text == "false":
		return false
	}
	hint := "true or false"
	switch strings.ToLower(s.n.text) {
	case "yes", "on", "y", "1", "true":
		hint = "write true"
	case "no", "off", "n", "0", "false":
		hint = "write false"
	}
	s.complain(s.what()+"is true or false, not "+quote(s.n.text), hint)
	return false
}

// whole reads a whole number from 1 to most.
func (s spot) whole(most int) (int, bool) {
	if !s.wanted(kindText, "a whole number") {
		return 0, false
	}
	text := s.n.text
	n, err := strconv.Atoi(text)
	if err == nil && s.n.plain() && strconv.Itoa(n) == text {
		if n < 1 || n > most {
			s.complain(fmt.Sprintf("%s is not within 1-%d", text, most), "")
			return 0, false
		}
		return n, true
	}
	hint := ""
	if f, ferr := strconv.ParseFloat(text, 64); ferr == nil && f >= 1 && f <= float64(most) && f == float64(int(f)) {
		hint = "write " + strconv.Itoa(int(f))
	}
	if _, derr := schedule.ParseDuration(text); derr == nil && hint == "" {
		hint = "a number, not a time: for times there is within"
	}
	s.complain(s.what()+"wants a whole number, not "+quote(text), hint)
	return 0, false
}

// duration reads a time span such as 30d.
func (s spot) duration() (time.Duration, bool) {
	if !s.wanted(kindText, `as "30m", "6h" or "30d"`) {
		return 0, false
	}
	d, err := schedule.ParseDuration(s.n.text)
	if err != nil {
		s.scheduleError(err)
		return 0, false
	}
	return d, true
}

// scheduleError passes on what package schedule says is wrong.
func (s spot) scheduleError(err error) {
	var e *schedule.Error
	if !errors.As(err, &e) {
		s.complain(err.Error(), "")
		return
	}
	problem := e.Problem
	if e.Field != "" {
		problem = e.Field + ": " + problem
	}
	s.complain(problem, e.Hint)
}
