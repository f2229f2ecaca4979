package memcloud

import (
	"slices"

	"github.com/stint-cloud/stint/internal/cloud"
)

// Provider is what Stint may use of the account: an ability that Options.Lacks names is not among its methods, so that
// a client finds it missing just as with a cloud that never had it. Every combination has its line, since Go decides
// when it compiles which methods a value has.
func (c *Cloud) Provider() cloud.Provider {
	mask := 0
	for i, ability := range []cloud.Capability{cloud.Snapshots, cloud.SnapshotSets, cloud.ImageMaking, cloud.DiskMaking, cloud.Launching, cloud.Tagging} {
		if !slices.Contains(c.o.Lacks, ability) {
			mask |= 1 << i
		}
	}
	l := look{c}
	switch mask {
	case 0:
		return l
	case 0b000001:
		return struct {
			look
			snap
		}{l, snap{c}}
	case 0b000010:
		return struct {
			look
			set
		}{l, set{c}}
	case 0b000011:
		return struct {
			look
			snap
			set
		}{l, snap{c}, set{c}}
	case 0b000100:
		return struct {
			look
			imager
		}{l, imager{c}}
	case 0b000101:
		return struct {
			look
			snap
			imager
		}{l, snap{c}, imager{c}}
	case 0b000110:
		return struct {
			look
			set
			imager
		}{l, set{c}, imager{c}}
	case 0b000111:
		return struct {
			look
			snap
			set
			imager
		}{l, snap{c}, set{c}, imager{c}}
	case 0b001000:
		return struct {
			look
			diskMaker
		}{l, diskMaker{c}}
	case 0b001001:
		return struct {
			look
			snap
			diskMaker
		}{l, snap{c}, diskMaker{c}}
	case 0b001010:
		return struct {
			look
			set
			diskMaker
		}{l, set{c}, diskMaker{c}}
	case 0b001011:
		return struct {
			look
			snap
			set
			diskMaker
		}{l, snap{c}, set{c}, diskMaker{c}}
	case 0b001100:
		return struct {
			look
			imager
			diskMaker
		}{l, imager{c}, diskMaker{c}}
	case 0b001101:
		return struct {
			look
			snap
			imager
			diskMaker
		}{l, snap{c}, imager{c}, diskMaker{c}}
	case 0b001110:
		return struct {
			look
			set
			imager
			diskMaker
		}{l, set{c}, imager{c}, diskMaker{c}}
	case 0b001111:
		return struct {
			look
			snap
			set
			imager
			diskMaker
		}{l, snap{c}, set{c}, imager{c}, diskMaker{c}}
	case 0b010000:
		return struct {
			look
			launcher
		}{l, launcher{c}}
	case 0b010001:
		return struct {
			look
			snap
			launcher
		}{l, snap{c}, launcher{c}}
	case 0b010010:
		return struct {
			look
			set
			launcher
		}{l, set{c}, launcher{c}}
	case 0b010011:
		return struct {
			look
			snap
			set
			launcher
		}{l, snap{c}, set{c}, launcher{c}}
	case 0b010100:
		return struct {
			look
			imager
			launcher
		}{l, imager{c}, launcher{c}}
	case 0b010101:
		return struct {
			look
			snap
			imager
			launcher
		}{l, snap{c}, imager{c}, launcher{c}}
	case 0b010110:
		return struct {
			look
			set
			imager
			launcher
		}{l, set{c}, imager{c}, launcher{c}}
	case 0b010111:
		return struct {
			look
			snap
			set
			imager
			launcher
		}{l, snap{c}, set{c}, imager{c}, launcher{c}}
	case 0b011000:
		return struct {
			look
			diskMaker
			launcher
		}{l, diskMaker{c}, launcher{c}}
	case 0b011001:
		return struct {
			look
			snap
			diskMaker
			launcher
		}{l, snap{c}, diskMaker{c}, launcher{c}}
	case 0b011010:
		return struct {
			look
			set
			diskMaker
			launcher
		}{l, set{c}, diskMaker{c}, launcher{c}}
	case 0b011011:
		return struct {
			look
			snap
			set
			diskMaker
			launcher
		}{l, snap{c}, set{c}, diskMaker{c}, launcher{c}}
	case 0b011100:
		return struct {
			look
			imager
			diskMaker
			launcher
		}{l, imager{c}, diskMaker{c}, launcher{c}}
	case 0b011101:
		return struct {
			look
			snap
			imager
			diskMaker
			launcher
		}{l, snap{c}, imager{c}, diskMaker{c}, launcher{c}}
	case 0b011110:
		return struct {
			look
			set
			imager
			diskMaker
			launcher
		}{l, set{c}, imager{c}, diskMaker{c}, launcher{c}}
	case 0b011111:
		return struct {
			look
			snap
			set
			imager
			diskMaker
			launcher
		}{l, snap{c}, set{c}, imager{c}, diskMaker{c}, launcher{c}}
	case 0b100000:
		return struct {
			look
			tagger
		}{l, tagger{c}}
	case 0b100001:
		return struct {
			look
			snap
			tagger
		}{l, snap{c}, tagger{c}}
	case 0b100010:
		return struct {
			look
			set
			tagger
		}{l, set{c}, tagger{c}}
	case 0b100011:
		return struct {
			look
			snap
			set
			tagger
		}{l, snap{c}, set{c}, tagger{c}}
	case 0b100100:
		return struct {
			look
			imager
			tagger
		}{l, imager{c}, tagger{c}}
	case 0b100101:
		return struct {
			look
			snap
			imager
			tagger
		}{l, snap{c}, imager{c}, tagger{c}}
	case 0b100110:
		return struct {
			look
			set
			imager
			tagger
		}{l, set{c}, imager{c}, tagger{c}}
	case 0b100111:
		return struct {
			look
			snap
			set
			imager
			tagger
		}{l, snap{c}, set{c}, imager{c}, tagger{c}}
	case 0b101000:
		return struct {
			look
			diskMaker
			tagger
		}{l, diskMaker{c}, tagger{c}}
	case 0b101001:
		return struct {
			look
			snap
			diskMaker
			tagger
		}{l, snap{c}, diskMaker{c}, tagger{c}}
	case 0b101010:
		return struct {
			look
			set
			diskMaker
			tagger
		}{l, set{c}, diskMaker{c}, tagger{c}}
	case 0b101011:
		return struct {
			look
			snap
			set
			diskMaker
			tagger
		}{l, snap{c}, set{c}, diskMaker{c}, tagger{c}}
	case 0b101100:
		return struct {
			look
			imager
			diskMaker
			tagger
		}{l, imager{c}, diskMaker{c}, tagger{c}}
	case 0b101101:
		return struct {
			look
			snap
			imager
			diskMaker
			tagger
		}{l, snap{c}, imager{c}, diskMaker{c}, tagger{c}}
	case 0b101110:
		return struct {
			look
			set
			imager
			diskMaker
			tagger
		}{l, set{c}, imager{c}, diskMaker{c}, tagger{c}}
	case 0b101111:
		return struct {
			look
			snap
			set
			imager
			diskMaker
			tagger
		}{l, snap{c}, set{c}, imager{c}, diskMaker{c}, tagger{c}}
	case 0b110000:
		return struct {
			look
			launcher
			tagger
		}{l, launcher{c}, tagger{c}}
	case 0b110001:
		return struct {
			look
			snap
			launcher
			tagger
		}{l, snap{c}, launcher{c}, tagger{c}}
	case 0b110010:
		return struct {
			look
			set
			launcher
			tagger
		}{l, set{c}, launcher{c}, tagger{c}}
	case 0b110011:
		return struct {
			look
			snap
			set
			launcher
			tagger
		}{l, snap{c}, set{c}, launcher{c}, tagger{c}}
	case 0b110100:
		return struct {
			look
			imager
			launcher
			tagger
		}{l, imager{c}, launcher{c}, tagger{c}}
	case 0b110101:
		return struct {
			look
			snap
			imager
			launcher
			tagger
		}{l, snap{c}, imager{c}, launcher{c}, tagger{c}}
	case 0b110110:
		return struct {
			look
			set
			imager
			launcher
			tagger
		}{l, set{c}, imager{c}, launcher{c}, tagger{c}}
	case 0b110111:
		return struct {
			look
			snap
			set
			imager
			launcher
			tagger
		}{l, snap{c}, set{c}, imager{c}, launcher{c}, tagger{c}}
	case 0b111000:
		return struct {
			look
			diskMaker
			launcher
			tagger
		}{l, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111001:
		return struct {
			look
			snap
			diskMaker
			launcher
			tagger
		}{l, snap{c}, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111010:
		return struct {
			look
			set
			diskMaker
			launcher
			tagger
		}{l, set{c}, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111011:
		return struct {
			look
			snap
			set
			diskMaker
			launcher
			tagger
		}{l, snap{c}, set{c}, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111100:
		return struct {
			look
			imager
			diskMaker
			launcher
			tagger
		}{l, imager{c}, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111101:
		return struct {
			look
			snap
			imager
			diskMaker
			launcher
			tagger
		}{l, snap{c}, imager{c}, diskMaker{c}, launcher{c}, tagger{c}}
	case 0b111110:
		return struct {
			look
			set
			imager
			diskMaker
			launcher
			tagger
		}{l, set{c}, imager{c}, diskMaker{c}, launcher{c}, tagger{c}}
	}
	return full{l, snap{c}, set{c}, imager{c}, diskMaker{c}, launcher{c}, tagger{c}}
}

// full is a provider that lacks nothing.
type full struct {
	look
	snap
	set
	imager
	diskMaker
	launcher
	tagger
}

var (
	_ cloud.Snapshotter    = full{}
	_ cloud.SetSnapshotter = full{}
	_ cloud.Imager         = full{}
	_ cloud.DiskMaker      = full{}
	_ cloud.Launcher       = full{}
	_ cloud.Tagger         = full{}
)
