package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node of a policy file is.
type kind int

const (
	kindNull kind = iota + 1
	kindText      // any scalar: its meaning is decided by who reads it, from the text as it stands in the file
	kindList
	kindMap
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "nothing"
	case kindText:
		return "a single value"
	case kindList:
		return "a list"
	case kindMap:
		return "a mapping"
	}
	return "unknown"
}

type style int

const (
	stylePlain style = iota + 1
	styleSingle
	styleDouble
	styleBlock
)

// node is one value of a policy file. Aliases share the node that they stand for.
type node struct {
	kind    kind
	style   style
	forced  bool // !!str says that it is text, whatever it looks like
	text    string
	pos     Position
	items   []*node
	entries []entry
	size    int // of the tree below, aliases unfolded
	src     *source
}

type entry struct {
	key   *node
	value *node
}

// builder turns one YAML document into nodes.
type builder struct {
	r       *reader
	src     *source
	anchors map[string]*node
	depth   int
	failed  bool
}

// trees reads a file into the root nodes of its documents. What it cannot read is a complaint, and ok is false.
func (r *reader) trees(src *source) (roots []*node, ok bool) {
	tokens := lexer.Tokenize(src.text)
	if len(tokens) > maxTokens {
		r.complain(src.at(tokens[maxTokens].Position.Line, tokens[maxTokens].Position.Column), "", fmt.Sprintf("the file holds more than %d words and signs", maxTokens), "split it: several files add up")
		return nil, false
	}
	if p, deep := tooDeep(src, tokens); deep {
		r.complain(p, "", fmt.Sprintf("lists and mappings stand in each other more than %d deep", maxDepth), "")
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(src, err)
		return nil, false
	}
	ok = true
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		b := &builder{r: r, src: src, anchors: map[string]*node{}}
		root := b.node(doc.Body)
		if b.failed {
			ok = false
			continue
		}
		if root.size > maxNodes {
			r.complain(root.pos, "", fmt.Sprintf("its aliases unfold to more than %d values", maxNodes), "write out what is meant")
			ok = false
			continue
		}
		roots = append(roots, root)
	}
	return roots, ok
}

// tooDeep finds where brackets or dashes nest deeper than allowed, before a parser recurses into them.
func tooDeep(src *source, tokens token.Tokens) (Position, bool) {
	flow, line, dashes := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			dashes++
		}
		if flow > maxDepth || dashes > maxDepth || flow == 0 && t.Position.Column > 40*maxDepth && t.Type == token.MappingValueType {
			return src.at(t.Position.Line, t.Position.Column), true
		}
	}
	return Position{}, false
}

// syntax turns the YAML reader's error into a complaint that says what to do.
func (r *reader) syntax(src *source, err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		r.complain(src.at(1, 1), "", "is not YAML", "")
		return
	}
	at := src.at(e.GetToken().Position.Line, e.GetToken().Position.Column)
	line := src.lines[at.Line-1]
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	message := e.GetMessage()
	switch {
	case strings.Contains(indent, "\t"):
		at = src.at(at.Line, strings.IndexByte(indent, '\t')+1)
		r.complain(at, "", "a tab stands where YAML wants spaces", "indent with spaces")
	case bareStar().MatchString(line):
		at = src.at(at.Line, utf8.RuneCountInString(line[:bareStar().FindStringSubmatchIndex(line)[2]])+1)
		r.complain(at, "", "a * without quotes is YAML's sign for an alias", `to say any value, write "*"`)
	case strings.Contains(message, "mapping value is not allowed"):
		r.complain(at, "", "is not YAML: a second colon on one line, or a line that is indented otherwise than its neighbours", "put text that has a colon in quotes")
	case strings.Contains(message, "value is not allowed in this context"):
		r.complain(at, "", "is not YAML: a value stands where none can", "is the line indented like its neighbours?")
	case strings.Contains(message, "is a reserved character"):
		r.complain(at, "", "is not YAML: "+plainMessage(message), "put the text in quotes")
	default:
		r.complain(at, "", "is not YAML: "+plainMessage(message), "")
	}
}

// bareStar finds a star where a value is wanted.
func bareStar() *regexp.Regexp { return regexp.MustCompile(`[-:,\[]\s*(\*)\s*(?:[,}\]#]|$)`) }

func plainMessage(message string) string {
	first, _, _ := strings.Cut(message, "\n")
	return strings.ReplaceAll(strings.ToLower(first[:min(1, len(first))])+first[min(1, len(first)):], "\t", `\t`)
}

func (b *builder) pos(n ast.Node) Position {
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return b.src.at(1, 1)
	}
	return b.src.at(t.Position.Line, t.Position.Column)
}

func (b *builder) fail(n ast.Node, problem, hint string) *node {
	b.failed = true
	b.r.complain(b.pos(n), "", problem, hint)
	return b.leaf(n, kindNull, stylePlain, "")
}

func (b *builder) leaf(n ast.Node, k kind, s style, text string) *node {
	return &node{kind: k, style: s, text: text, pos: b.pos(n), size: 1, src: b.src}
}

// node turns one YAML value into a node.
func (b *builder) node(n ast.Node) *node {
	b.depth++
	defer func() { b.depth-- }()
	if b.depth > 4*maxDepth {
		return b.fail(n, fmt.Sprintf("lists and mappings stand in each other more than %d deep", maxDepth), "")
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return b.leaf(n, kindNull, stylePlain, n.Token.Value)
	case *ast.LiteralNode:
		out := b.leaf(n, kindText, styleBlock, n.Value.Value)
		out.pos = b.src.at(n.Start.Position.Line, n.Start.Position.Column)
		return out
	case *ast.StringNode:
		s := stylePlain
		switch n.Token.Type {
		case token.SingleQuoteType:
			s = styleSingle
		case token.DoubleQuoteType:
			s = styleDouble
		}
		return b.leaf(n, kindText, s, n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return b.leaf(n, kindText, stylePlain, strings.TrimSpace(n.GetToken().Value))
	case *ast.MappingValueNode:
		return b.mapping(n, []*ast.MappingValueNode{n})
	case *ast.MappingNode:
		return b.mapping(n, n.Values)
	case *ast.SequenceNode:
		out := b.leaf(n, kindList, stylePlain, "")
		for _, item := range n.Values {
			value := b.node(item)
			out.items = append(out.items, value)
			out.grow(value)
		}
		return out
	case *ast.AnchorNode:
		value := b.node(n.Value)
		if n.Name != nil {
			b.anchors[n.Name.GetToken().Value] = value
		}
		return value
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if value, ok := b.anchors[name]; ok {
			return value
		}
		names := make([]string, 0, len(b.anchors))
		for k := range b.anchors {
			names = append(names, k)
		}
		slices.Sort(names)
		hint := `to say any value, write "*" in quotes`
		if c, ok := nearest(name, names); ok {
			hint = `did you mean "*` + c + `"?`
		}
		return b.fail(n, "there is no anchor &"+strings.Trim(quote(name), `"`)+" before this", hint)
	case *ast.TagNode:
		value := b.node(n.Value)
		if n.Start.Value != "!!str" || value.kind != kindText {
			b.r.complain(b.pos(n), "", "YAML tags such as "+strings.Trim(quote(n.Start.Value), `"`)+" are not used in policies", "leave it out")
			return value
		}
		quoted := *value
		quoted.forced = true
		return &quoted
	}
	return b.fail(n, "is a form of YAML that policies do not use", "")
}

// grow counts a child, and stops counting where it is too much anyway.
func (n *node) grow(child *node) {
	n.size = min(n.size+child.size, 4*maxNodes)
}

// plain says whether the scalar stands without quotes, so that YAML readers may take it for a number or a truth value.
func (n *node) plain() bool { return n.style == stylePlain && !n.forced }

// mapping reads key and value pairs. A key that comes twice is a complaint; what << merges in yields to what is said.
func (b *builder) mapping(at ast.Node, pairs []*ast.MappingValueNode) *node {
	out := b.leaf(at, kindMap, stylePlain, "")
	var merged []*node
	seen := map[string]*node{}
	for i, pair := range pairs {
		if i == 0 && !isFlow(at) {
			out.pos = b.pos(pair.Key)
		}
		if pair.Key.IsMergeKey() {
			merged = append(merged, b.merge(pair.Value)...)
			continue
		}
		key, value := b.key(pair.Key), b.node(pair.Value)
		if key == nil {
			continue
		}
		if value.kind == kindNull {
			value.pos = key.pos // the parser does not know where nothing stands
		}
		if first, twice := seen[key.text]; twice {
			b.r.complain(key.pos, "", quote(key.text)+" stands here twice", fmt.Sprintf("first in line %d", first.pos.Line))
			continue
		}
		seen[key.text] = key
		out.entries = append(out.entries, entry{key, value})
		out.grow(value)
	}
	for _, m := range merged {
		for _, e := range m.entries {
			if _, said := seen[e.key.text]; !said {
				seen[e.key.text] = e.key
				out.entries = append(out.entries, e)
				out.grow(e.value)
			}
		}
		if out.size > 2*maxNodes {
			break
		}
	}
	return out
}

func isFlow(n ast.Node) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}

// merge reads what stands after <<: a mapping, or a list of them.
func (b *builder) merge(n ast.Node) []*node {
	value := b.node(n)
	list := []*node{value}
	if value.kind == kindList {
		list = value.items
	}
	for _, m := range list {
		if m.kind != kindMap {
			b.r.complain(b.pos(n), "", "after << a mapping is wanted, not "+m.kind.String(), "")
			return nil
		}
	}
	return list
}

func (b *builder) key(n ast.MapKeyNode) *node {
	var inner ast.Node = n
	if m, ok := n.(*ast.MappingKeyNode); ok {
		inner = m.Value
	}
	key := b.node(inner)
	if key.kind == kindText {
		return key
	}
	if !b.failed {
		b.r.complain(key.pos, "", "a key is text, not "+key.kind.String(), "")
	}
	return nil
}
