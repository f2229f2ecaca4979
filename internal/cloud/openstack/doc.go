// Package openstack lets Stint look at and work in one project of one OpenStack: servers, volumes, volume snapshots and
// images, through nova, cinder and glance. (Neutron is asked for one thing: the id of a network that is given by name.)
//
// It promises that nothing is asked of the network before the first call, that each call is one attempt, that what it
// lists belongs to the project even when the credentials could see more, and that every error is a *cloud.Error which
// holds no secret.
//
// It is a Snapshotter, Imager, DiskMaker, Launcher, Tagger, Sharer (of images alone), Identifier and Operator. It refuses to
// be a SetSnapshotter: snapshots of several volumes at one moment need groups, whose type an administrator must have made
// and whose driver must be able to. It is no ImageCopier or SnapshotCopier: no one call copies to another region.
//
// What is particular about OpenStack, and decided here:
//
//   - Instance.Type is the flavor's name (its id below compute 2.47). RunInstance takes a name or an id. Instance.Network
//     is the name of the first network, as servers do not tell ids; RunInstance takes an id, a name, "none" or "auto".
//   - Tags of a server are its metadata and, with an empty value, its bare tags; those of an image are its properties and
//     bare tags alike. Properties that glance, nova and cinder write by themselves are not shown; those that a person sets
//     (os_distro, hw_…) are. SetTags writes metadata and properties; RemoveTags takes a key off in either form.
//   - A key that cannot be written as it is (owner, name or os_type on an image, café in metadata) is written as another
//     one and read back as what it was; see tags.go. So no key is reserved.
//   - Nova hands the properties of the image that a server was made from down to every image of that server, ours
//     included. Each image that we make is therefore signed with its name, and tags of ours under another name are not
//     believed: a copy that somebody takes of a restored server must never look like a backup that we may delete.
//   - An image of a volume-backed server stands on snapshots of all its volumes, which stay behind when it is deleted and
//     carry no tags. Glance calls it active before they are complete and after they are gone; it is ready here when all of
//     them are, and failed when one of them is failed or gone. An image of any other server holds the root disk alone.
//   - A group's snapshot cannot be deleted alone: it is Managed by "cinder-group".
package openstack
