package alibaba

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stint-cloud/stint/internal/cloud"
)

// usesSeen are the kinds of user that Uses tells. Scaling groups are another service's, and a scaling configuration may name
// an image without a launch template.
func usesSeen() cloud.UseTraits {
	return cloud.UseTraits{
		Images:    []cloud.UserKind{cloud.UserInstance, cloud.UserTemplate, cloud.UserAccount},
		Snapshots: []cloud.UserKind{cloud.UserDisk, cloud.UserImage},
		Unseen:    []cloud.UserKind{cloud.UserGroup, cloud.UserService},
	}
}

const (
	templatePageSize = 50 // the most for launch templates and their versions

	resetLost = "ECS deletes it only by force, and then the system disk cannot be re-initialized any more"
	diskLost  = "ECS deletes it only by force, and then the disk cannot be re-initialized any more"
	unshare   = "ECS deletes it once it is shared no longer"
)

// Uses lists who uses the images or snapshots. ECS says of each whether it is used, in one answer for all of them; only who
// by is asked about one by one. Launch templates are read whole, since each is asked for its versions.
func (p *Provider) Uses(ctx context.Context, refs []cloud.Ref) ([]cloud.Use, error) {
	if len(refs) == 0 {
		return nil, ctx.Err()
	}
	about := p.ref(refs[0].Region, refs[0].Kind, "")
	q := question{op: about.Kind.String() + ".uses", ref: about}
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.ID
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > cloud.MaxIDs {
		return nil, &cloud.Error{Op: q.op, Ref: about, Class: cloud.ErrUnsupported, Err: fmt.Errorf("%d ids at once, %d at most", len(ids), cloud.MaxIDs)}
	}
	if about.Kind == cloud.KindSnapshot {
		return p.usesOfSnapshots(ctx, q, ids)
	}
	return p.usesOfImages(ctx, q, ids)
}

// flag is yes or no, which ECS writes as a text or not, or leaves out.
type flag string

func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(strings.ToLower(strings.Trim(string(b), `"`)))
	return nil
}

// no says that ECS denies it; anything else is no denial.
func (f flag) no() bool { return f == "false" }

func (p *Provider) usesOfImages(ctx context.Context, q question, ids []string) ([]cloud.Use, error) {
	images, err := p.imagesByID(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	var out []cloud.Use
	for i := range images {
		m := &images[i]
		of := p.ref(q.ref.Region, cloud.KindImage, m.ImageID)
		if m.Usage != "none" {
			by, err := p.instancesOf(ctx, q, m.ImageID)
			if err != nil {
				return nil, err
			}
			if len(by) == 0 && m.Usage == "instance" {
				by = []string{""}
			}
			for _, id := range by {
				out = append(out, cloud.Use{Of: of, Kind: cloud.UserInstance, By: id, Blocks: true, Detail: resetLost})
			}
		}
		if !m.IsSelfShared.no() {
			with, err := p.SharedWith(ctx, of)
			if cloud.ClassOf(err) == cloud.ErrNotFound {
				continue // it went meanwhile
			}
			if err != nil {
				return nil, asked(err, q)
			}
			for _, id := range with {
				out = append(out, cloud.Use{Of: of, Kind: cloud.UserAccount, By: id, Blocks: true, Detail: unshare})
			}
		}
	}
	templates, err := p.templatesOf(ctx, q, ids)
	return append(out, templates...), err
}

// asked makes an error one of the question, and not of the listing that it came from.
func asked(err error, q question) error {
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		dup := *e
		dup.Op, dup.Ref = q.op, q.ref
		return &dup
	}
	return err
}

// imagesByID reads all of a few. ECS counts pages, so that one may be overlooked when others go meanwhile.
func (p *Provider) imagesByID(ctx context.Context, q question, ids []string) ([]wireImage, error) {
	q.params = params{"ImageId": strings.Join(ids, ",")}
	var all []wireImage
	first := -1
	for page := 1; ; page++ {
		images, total, size, err := p.imagePage(ctx, q, page)
		if err != nil {
			return nil, err
		}
		if first < 0 {
			first = total
		}
		if total != first {
			return nil, &cloud.Error{Op: q.op, Ref: q.ref, Class: cloud.ErrTransient, Err: errors.New("images came or went while they were listed")}
		}
		all = append(all, images...)
		if page*size >= total {
			return all, nil
		}
	}
}

// instancesOf lists the instances that were made from the image.
func (p *Provider) instancesOf(ctx context.Context, q question, image string) ([]string, error) {
	q.action = "DescribeInstances"
	q.params = params{"ImageId": image, "MaxResults": strconv.Itoa(pageSize)}
	var all []string
	for {
		var out struct {
			Instances *struct{ Instance []wireInstance }
			NextToken string
		}
		if err := p.ask(ctx, q, &out); err != nil {
			return nil, err
		}
		if out.Instances == nil {
			return nil, p.unclear(q, "instances")
		}
		for _, in := range out.Instances.Instance {
			all = append(all, in.InstanceID)
		}
		if out.NextToken == "" || out.NextToken == q.params["NextToken"] {
			return all, nil
		}
		q.params["NextToken"] = out.NextToken
	}
}

// counted reads every page of a listing that ECS counts in pages.
func (p *Provider) counted(ctx context.Context, q question, read func(question) (here, total int, err error)) error {
	q.params["PageSize"] = strconv.Itoa(templatePageSize)
	for page, seen := 1, 0; ; page++ {
		q.params["PageNumber"] = strconv.Itoa(page)
		here, total, err := read(q)
		if err != nil {
			return err
		}
		if seen += here; seen >= total || here == 0 {
			return nil
		}
	}
}

// templatesOf lists the launch templates that name one of the images in any version: an instance, or a scaling group, may be
// made of an old one. Templates that come or go meanwhile may be missed, as all that happens at the same time.
func (p *Provider) templatesOf(ctx context.Context, q question, images []string) ([]cloud.Use, error) {
	var templates []string
	q.action, q.params = "DescribeLaunchTemplates", params{}
	err := p.counted(ctx, q, func(q question) (int, int, error) {
		var out struct {
			LaunchTemplateSets *struct {
				LaunchTemplateSet []struct{ LaunchTemplateID string }
			}
			TotalCount int
		}
		if err := p.ask(ctx, q, &out); err != nil {
			return 0, 0, err
		}
		if out.LaunchTemplateSets == nil {
			return 0, 0, p.unclear(q, "launch templates")
		}
		for _, t := range out.LaunchTemplateSets.LaunchTemplateSet {
			templates = append(templates, t.LaunchTemplateID)
		}
		return len(out.LaunchTemplateSets.LaunchTemplateSet), out.TotalCount, nil
	})
	var all []cloud.Use
	for _, id := range templates {
		if err == nil {
			var uses []cloud.Use
			uses, err = p.versionsOf(ctx, q, id, images)
			all = append(all, uses...)
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// versionsOf says which of the images the template names, and in which versions.
func (p *Provider) versionsOf(ctx context.Context, q question, template string, images []string) ([]cloud.Use, error) {
	versions := map[string][]string{}
	q.action, q.params = "DescribeLaunchTemplateVersions", params{"LaunchTemplateId": template, "DetailFlag": "true"}
	err := p.counted(ctx, q, func(q question) (int, int, error) {
		var out struct {
			LaunchTemplateVersionSets *struct {
				LaunchTemplateVersionSet []struct {
					VersionNumber      number
					LaunchTemplateData struct{ ImageID string }
				}
			}
			TotalCount int
		}
		if err := p.ask(ctx, q, &out); err != nil {
			return 0, 0, err
		}
		if out.LaunchTemplateVersionSets == nil {
			return 0, 0, p.unclear(q, "versions")
		}
		for _, v := range out.LaunchTemplateVersionSets.LaunchTemplateVersionSet {
			image := v.LaunchTemplateData.ImageID
			if slices.Contains(images, image) {
				versions[image] = append(versions[image], strconv.FormatInt(int64(v.VersionNumber), 10))
			}
		}
		return len(out.LaunchTemplateVersionSets.LaunchTemplateVersionSet), out.TotalCount, nil
	})
	if cloud.ClassOf(err) == cloud.ErrNotFound {
		return nil, nil // it went meanwhile
	}
	var out []cloud.Use
	for _, image := range images {
		if in := versions[image]; len(in) > 0 {
			slices.SortFunc(in, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
			out = append(out, cloud.Use{
				Of: p.ref(q.ref.Region, cloud.KindImage, image), Kind: cloud.UserTemplate, By: template, Blocks: true,
				Detail: "version " + strings.Join(slices.Compact(in), ", "),
			})
		}
	}
	return out, err
}

// usesOfSnapshots asks ECS what was made of them, and lists all images, or all disks, where something was.
func (p *Provider) usesOfSnapshots(ctx context.Context, q question, ids []string) ([]cloud.Use, error) {
	snapshots, err := p.snapshotsByID(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	var byImage, byDisk map[string][]string
	var out []cloud.Use
	for i := range snapshots {
		s := &snapshots[i]
		add := func(kind cloud.UserKind, by []string, sure bool, detail string) {
			if len(by) == 0 && sure {
				by = []string{""}
			}
			for _, id := range by {
				out = append(out, cloud.Use{Of: p.ref(q.ref.Region, cloud.KindSnapshot, s.SnapshotID), Kind: kind, By: id, Blocks: true, Detail: detail})
			}
		}
		if s.Usage != "none" && s.Usage != "disk" { // so an unknown word is looked into both ways
			if byImage == nil {
				if byImage, err = p.imagesOn(ctx, q); err != nil {
					return nil, err
				}
			}
			add(cloud.UserImage, byImage[s.SnapshotID], s.Usage == "image" || s.Usage == "image_disk", "")
		}
		if s.Usage != "none" && s.Usage != "image" {
			if byDisk == nil {
				if byDisk, err = p.disksFrom(ctx, q); err != nil {
					return nil, err
				}
			}
			add(cloud.UserDisk, byDisk[s.SnapshotID], s.Usage == "disk" || s.Usage == "image_disk", diskLost)
		}
	}
	return out, nil
}

// imagesOn are the images of the region by the snapshots that they stand on.
func (p *Provider) imagesOn(ctx context.Context, q question) (map[string][]string, error) {
	on := map[string][]string{}
	for cursor := ""; ; {
		page, err := p.Images(ctx, cloud.Query{Region: q.ref.Region}, cursor)
		if err != nil {
			return nil, asked(err, q)
		}
		for _, m := range page.Items {
			for _, s := range m.Snapshots {
				on[s] = append(on[s], m.Ref.ID)
			}
		}
		if cursor = page.Next; cursor == "" {
			return on, nil
		}
	}
}

// disksFrom are the disks of the region by the snapshots that they were made from.
func (p *Provider) disksFrom(ctx context.Context, q question) (map[string][]string, error) {
	of := map[string][]string{}
	for token := ""; ; {
		q.params = params{}
		disks, next, err := p.diskPage(ctx, q, token)
		if err != nil {
			return nil, err
		}
		for i := range disks {
			if from := disks[i].SourceSnapshotID; from != "" {
				of[from] = append(of[from], disks[i].DiskID)
			}
		}
		if next == "" || next == token {
			return of, nil
		}
		token = next
	}
}
