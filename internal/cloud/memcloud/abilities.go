package memcloud

import (
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Provider is what Stint may use of the account, without the abilities that Options.Lacks names.
func (c *Cloud) Provider() cloud.Provider {
	return provider{look{c}, snap{c}, set{c}, imager{c}, diskMaker{c}, launcher{c}, tagger{c}, imageCopier{c}, snapshotCopier{c}, sharer{c}, operator{c}, referrer{c}}
}

// provider has every ability; Lacks says which of them must not be used.
type provider struct {
	look
	snap
	set
	imager
	diskMaker
	launcher
	tagger
	imageCopier
	snapshotCopier
	sharer
	operator
	referrer
}

// Lacks lists the abilities that were taken away.
func (p provider) Lacks() []cloud.Capability { return slices.Clone(p.look.c.o.Lacks) }

var (
	_ cloud.Limited        = provider{}
	_ cloud.Snapshotter    = provider{}
	_ cloud.SetSnapshotter = provider{}
	_ cloud.Imager         = provider{}
	_ cloud.DiskMaker      = provider{}
	_ cloud.Launcher       = provider{}
	_ cloud.Tagger         = provider{}
	_ cloud.ImageCopier    = provider{}
	_ cloud.SnapshotCopier = provider{}
	_ cloud.Sharer         = provider{}
	_ cloud.Identifier     = provider{}
	_ cloud.Operator       = provider{}
	_ cloud.Referrer       = provider{}
)
