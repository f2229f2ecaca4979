package forecast

import (
	"github.com/stint-cloud/stint/internal/cloud"
	"github.com/stint-cloud/stint/internal/inventory"
	"github.com/stint-cloud/stint/internal/policy"
)

// size is how many bytes a backup has when each part counts in full.
type size struct {
	bytes int64
	known bool
}

type sizeKey struct {
	source string
	place  cloud.Place
	kind   cloud.Kind
}

// kindOf is what a backup is paid as.
func kindOf(b *inventory.Backup) cloud.Kind {
	if b.ByImage() {
		return cloud.KindImage
	}
	return cloud.KindSnapshot
}

// sizeOf adds up the parts. An image and the snapshots that it stands on are the same bytes.
func sizeOf(b *inventory.Backup) size {
	var out size
	for _, img := range b.Images {
		out.bytes += img.Size
	}
	if out.bytes > 0 {
		out.known = true
		return out
	}
	if len(b.Images) > 0 && len(b.Backing) == 0 {
		return size{}
	}
	out.known = true
	for _, list := range [][]*cloud.Snapshot{b.Snapshots, b.Backing} {
		for _, s := range list {
			if s.Size <= 0 && s.State == cloud.StateReady {
				return size{}
			}
			out.bytes += s.Size
		}
	}
	return out
}

// next is the size of an instance's next backup: that of its newest of this kind, else that of its disks.
func (m *maker) next(inst *cloud.Instance, method policy.Method) size {
	kind := cloud.KindSnapshot
	if method == policy.MethodImage {
		kind = cloud.KindImage
	}
	if s, ok := m.sizes[sizeKey{inst.Ref.Source(), inst.Ref.Place(), kind}]; ok {
		return s
	}
	if len(inst.Disks) == 0 || kind == cloud.KindImage && inst.LocalRoot {
		return size{}
	}
	out := size{known: true}
	for _, d := range inst.Disks {
		n, ok := m.disks[cloud.Ref{Account: inst.Ref.Account, Region: inst.Ref.Region, Kind: cloud.KindDisk, ID: d.Disk}]
		if !ok {
			return size{}
		}
		out.bytes += n
	}
	return out
}

// Unsized lists the instances whose next backup has no known size, since there is neither an earlier one nor a look at
// their disks: who can look at disks may add them to the world.
func Unsized(in Input) []cloud.Ref {
	m := newMaker(in)
	var out []cloud.Ref
	for _, o := range m.outlooks {
		for _, inst := range o.Instances() {
			if !m.next(inst, o.Policy.Backup.Method).known {
				out = append(out, inst.Ref)
			}
		}
	}
	return out
}
