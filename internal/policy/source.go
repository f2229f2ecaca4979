package policy

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is one policy file: its name as people know it, and its bytes.
type File struct {
	Name string
	Data []byte
}

// The limits of one file. Nothing that a person writes comes near them; they keep a hostile file from costing much.
const (
	MaxFileSize = 1 << 20 // bytes
	maxDepth    = 40      // of lists and mappings in each other
	maxNodes    = 200_000 // of all values, once aliases are unfolded
	maxTokens   = 100_000 // of words and signs; some two thousand policies, beyond which the YAML reader gets slow
)

// source is a file's text, with every line ended by a single newline and without a byte-order mark.
type source struct {
	name  string
	text  string
	lines []string // without their ends; a column is a rune of its line
	width []int    // of each line in runes
}

func newSource(f File) *source {
	data := bytes.TrimPrefix(f.Data, []byte("\xef\xbb\xbf"))
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
	s := &source{name: f.Name, text: text, lines: strings.Split(text, "\n")}
	s.width = make([]int, len(s.lines))
	for i, line := range s.lines {
		s.width[i] = utf8.RuneCountInString(line)
	}
	return s
}

// at is a position in the file, brought back inside when it is not.
func (s *source) at(line, column int) Position {
	line = min(max(line, 1), len(s.lines))
	column = min(max(column, 1), s.width[line-1]+1)
	return Position{File: s.name, Line: line, Column: column}
}

// badText finds the first byte that is not UTF-8, or no character that YAML allows.
func (s *source) badText() (Position, string, bool) {
	for i, line := range s.lines {
		column := 1
		for j := 0; j < len(line); {
			r, size := utf8.DecodeRuneInString(line[j:])
			switch {
			case r == utf8.RuneError && size == 1:
				return s.at(i+1, column), "is not UTF-8 text", true
			case r < ' ' && r != '\t', r == 0x7f, r == '\uFEFF':
				return s.at(i+1, column), "has a control character, which YAML does not allow", true
			}
			j += size
			column++
		}
	}
	return Position{}, "", false
}

// within finds the place in the file of the n-th character of a scalar's text. YAML folds lines, takes indentation away
// and doubles or escapes quotes, but keeps all that is not white space in order; so both are walked in step by that.
func (s *source) within(n *node, index int) Position {
	wanted := 0
	for i, r := range n.text {
		if i >= index {
			break
		}
		if !unicode.IsSpace(r) {
			wanted++
		}
	}
	line, column := n.pos.Line, n.pos.Column
	switch n.style {
	case styleBlock:
		line, column = line+1, 1
	case styleSingle, styleDouble:
		column++
	}
	for ; line <= len(s.lines); line++ {
		runes := []rune(s.lines[line-1])
		for i := column - 1; i < len(runes); i++ {
			r, start := runes[i], i
			switch {
			case n.style == styleSingle && r == '\'':
				i++ // written twice
			case n.style == styleDouble && r == '\\':
				var space bool
				i, space = escape(runes, i)
				if space {
					continue
				}
			}
			if unicode.IsSpace(r) {
				continue
			}
			if wanted == 0 {
				return s.at(line, start+1)
			}
			wanted--
		}
		column = 1
	}
	return n.pos
}

// escape gives the index of the last rune of the escape that starts at i, and whether it stands for white space.
func escape(runes []rune, i int) (last int, space bool) {
	if i+1 >= len(runes) {
		return i, true // an escaped line end
	}
	switch runes[i+1] {
	case 'n', 't', 'r', 'v', 'f', ' ', '\t', '_', 'N', 'L', 'P':
		return i + 1, true
	case 'x':
		return i + 3, false
	case 'u':
		return i + 5, false
	case 'U':
		return i + 9, false
	}
	return i + 1, false
}
