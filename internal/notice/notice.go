// Package notice tells people what is wrong and what is right again: it gathers incidents into one digest, renders it
// as subject, plain text, HTML and JSON, and decides when to send it to whom.
//
// It promises one digest for one outage instead of a hundred mails; reminders at growing intervals that end, and say
// so; that a recovery is told once; that a channel which fails keeps nothing from the others, is tried again with
// back-off, gets what it missed, and is itself an incident that status and the other channels show. A notice is sent
// at least once: a crash in the middle of sending sends it again, after Lease, and never loses it.
// It refuses to send anything that is not about an incident, to put a secret into a message, a log line or an error,
// and to speak any protocol itself: that is for the packages below it.
package notice

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/stint-cloud/stint/internal/store"
)

// ErrPartly is the class of an error after which the message is out, though not to everybody: sending it again would
// only tell the others twice.
var ErrPartly = errors.New("not everybody was told")

// Channel is one way to tell people. It is safe for concurrent use.
type Channel interface {
	// Name is the channel's name in the policies.
	Name() string
	// Send delivers one digest as one message, and returns when the other side has taken it. It does not retry. Its
	// error is one line with a remedy and holds no secret; nil or ErrPartly mean that the message is out.
	Send(ctx context.Context, d Digest) error
}

// Digest is what one message says. Its lists are sorted, the oldest incident first.
type Digest struct {
	ID        string    // the same for the same content, so that a receiver can drop a message that came twice
	At        time.Time // when it was made
	Failing   []Item    // people are told of these for the first time since they opened
	Still     []Item    // reminders
	Recovered []Item
	Trouble   string // what went wrong with this channel since the last message, empty when nothing
	Link      string // where to look for more, empty when there is no such place
}

// Item is one incident in a digest.
type Item struct {
	Key     string
	Policy  string
	Account string
	Title   string
	Detail  string
	Opened  time.Time
	Last    time.Time // when it was last seen to be wrong
	Closed  time.Time // zero while open
	Count   int       // how often it was seen
	Back    bool      // people were told of it before, and it opened again since
	Final   bool      // this reminder is the last one
	stage   int
}

// Empty says whether there is nothing to tell.
func (d Digest) Empty() bool {
	return len(d.Failing)+len(d.Still)+len(d.Recovered) == 0
}

// newItem makes the line of an incident that is told as the given stage.
func newItem(in store.Incident, stage int) Item {
	return Item{
		Key: in.Key, Policy: in.Policy, Account: in.Account, Title: in.Title, Detail: in.Detail,
		Opened: in.OpenedAt, Last: in.LastAt, Closed: in.ClosedAt, Count: in.Count, stage: stage,
	}
}

// identify sets the digest's ID from its content: which incidents, since when, and the how manieth telling of each.
func (d *Digest) identify() {
	h := sha256.New()
	for i, list := range [][]Item{d.Failing, d.Still, d.Recovered} {
		for _, item := range list {
			fmt.Fprintf(h, "%d %q %d %d\n", i, item.Key, item.Opened.UnixMicro(), item.stage)
		}
	}
	d.ID = hex.EncodeToString(h.Sum(nil)[:16])
}
