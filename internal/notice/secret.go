package notice

import (
	"fmt"
	"strings"
)

const redacted = "***"

// Secret is a text that prints as *** however it is printed: a password, or the key of a signature. The zero Secret is
// none. The text is behind a pointer, since fmt prints what is in unexported fields without asking the type.
type Secret struct{ text *string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal gives the text itself, for the one call that needs it; empty when there is none.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String hides the text.
func (s Secret) String() string { return redacted }

// GoString hides the text.
func (s Secret) GoString() string { return redacted }

// Format hides the text from every verb, also from %d and %x.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the text.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Scrub takes the given texts out of a line that somebody else wrote: a server's answer may repeat what it was sent.
func Scrub(line string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			line = strings.ReplaceAll(line, s, redacted)
		}
	}
	return line
}
