package policy

import (
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/stint-cloud/stint/internal/cloud"
)

const (
	instanceTypeName = "stint.Instance"
	accountTypeName  = "stint.Account"
)

// field is one field that conditions may ask for.
type field struct {
	name string
	typ  *types.Type
	get  func(Subject) ref.Val
}

// instanceTable is what conditions see of an instance.
func instanceTable() []field {
	text := func(name string, get func(*cloud.Instance) string) field {
		return field{name, types.StringType, func(s Subject) ref.Val { return types.String(get(s.Instance)) }}
	}
	return []field{
		text("id", func(i *cloud.Instance) string { return i.Ref.ID }),
		text("name", func(i *cloud.Instance) string { return i.Name }),
		text("type", func(i *cloud.Instance) string { return i.Type }),
		text("zone", func(i *cloud.Instance) string { return i.Zone }),
		text("region", func(i *cloud.Instance) string { return i.Ref.Region }),
		text("account", func(i *cloud.Instance) string { return i.Ref.Account }),
		text("power", func(i *cloud.Instance) string { return i.Power.String() }),
		text("network", func(i *cloud.Instance) string { return i.Network }),
		text("user", func(i *cloud.Instance) string { return i.User }),
		text("project", func(i *cloud.Instance) string { return i.Project }),
		text("image", func(i *cloud.Instance) string { return i.Image }),
		{"tags", tagsType(), func(s Subject) ref.Val { return tagsVal{s.Instance.Tags} }},
		{"created", types.TimestampType, func(s Subject) ref.Val { return types.Timestamp{Time: s.Instance.CreatedAt} }},
		{"disks", types.IntType, func(s Subject) ref.Val { return types.Int(len(s.Instance.Disks)) }},
	}
}

// accountTable is what conditions see of an account.
func accountTable() []field {
	return []field{
		{"name", types.StringType, func(s Subject) ref.Val { return types.String(s.Account.Name) }},
		{"cloud", types.StringType, func(s Subject) ref.Val { return types.String(s.Account.Cloud) }},
	}
}

func names(table []field) []string {
	out := make([]string, len(table))
	for i, f := range table {
		out[i] = f.name
	}
	return out
}

func instanceFields() []string { return names(instanceTable()) }
func accountFields() []string  { return names(accountTable()) }

func tagsType() *types.Type { return types.NewMapType(types.StringType, types.StringType) }

// newEnv is CEL with our variables.
func newEnv() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &provider{Registry: registry, tables: map[string][]field{instanceTypeName: instanceTable(), accountTypeName: accountTable()}}
	return cel.NewEnv(
		cel.CustomTypeProvider(p), cel.CustomTypeAdapter(p),
		cel.Variable("resource", cel.ObjectType(instanceTypeName)),
		cel.Variable("instance", cel.ObjectType(instanceTypeName)),
		cel.Variable("account", cel.ObjectType(accountTypeName)),
		cel.Variable("tags", tagsType()),
	)
}

// provider tells CEL the fields of our types, and how to read them.
type provider struct {
	*types.Registry
	tables map[string][]field
}

// FindStructType says that our types exist.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.tables[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames lists the fields of our types.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if table, ok := p.tables[name]; ok {
		return names(table), true
	}
	return p.Registry.FindStructFieldNames(name)
}

// FindStructFieldType gives one field of our types.
func (p *provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	table, ok := p.tables[name]
	if !ok {
		return p.Registry.FindStructFieldType(name, fieldName)
	}
	i := slices.IndexFunc(table, func(f field) bool { return f.name == fieldName })
	if i < 0 {
		return nil, false
	}
	get := table[i].get
	return &types.FieldType{
		Type:  table[i].typ,
		IsSet: func(target any) bool { return !isZero(get(target.(*object).subject)) },
		GetFrom: func(target any) (any, error) {
			return get(target.(*object).subject), nil
		},
	}, true
}

func isZero(v ref.Val) bool {
	z, ok := v.(traits.Zeroer)
	return ok && z.IsZeroValue()
}

// object is an instance or an account as CEL holds it.
type object struct {
	typ     *types.Type
	subject Subject
}

// ConvertToNative refuses: nothing asks for it.
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is no %s", o.typ.TypeName(), t)
}

// ConvertToType knows the type itself only.
func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.TypeType:
		return o.typ
	case o.typ:
		return o
	}
	return types.NewErr("%s is no %s", o.typ.TypeName(), t.TypeName())
}

// Equal says whether both are the same instance or account.
func (o *object) Equal(other ref.Val) ref.Val {
	x, ok := other.(*object)
	return types.Bool(ok && x.typ.TypeName() == o.typ.TypeName() && x.subject.Instance == o.subject.Instance && x.subject.Account.Name == o.subject.Account.Name)
}

// Type is the type's name in conditions.
func (o *object) Type() ref.Type { return o.typ }

// Value is the object itself: the fields read it.
func (o *object) Value() any { return o }

// activation gives CEL the values of the variables for one subject.
type activation struct {
	instance, account object
	tags              tagsVal
}

func newActivation() *activation {
	return &activation{instance: object{typ: types.NewObjectType(instanceTypeName)}, account: object{typ: types.NewObjectType(accountTypeName)}}
}

func (a *activation) set(s Subject) {
	a.instance.subject, a.account.subject = s, s
	a.tags = tagsVal{}
	if s.Instance != nil {
		a.tags.tags = s.Instance.Tags
	}
}

// ResolveName finds a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "resource", "instance":
		return &a.instance, true
	case "account":
		return &a.account, true
	case "tags":
		return &a.tags, true
	}
	return nil, false
}

// Parent is none.
func (a *activation) Parent() cel.Activation { return nil }

// tagsVal is cloud.Tags as a CEL map, without making one.
type tagsVal struct{ tags cloud.Tags }

// Find gives the value of a key.
func (t tagsVal) Find(key ref.Val) (ref.Val, bool) {
	k, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	v, ok := t.tags.Find(string(k))
	if !ok {
		return nil, false
	}
	return types.String(v), true
}

// Get gives the value of a key, or an error.
func (t tagsVal) Get(key ref.Val) ref.Val {
	v, ok := t.Find(key)
	switch {
	case ok:
		return v
	case v != nil:
		return v
	}
	return types.NewErr("no such key: %v", key)
}

// Contains says whether the key is there.
func (t tagsVal) Contains(key ref.Val) ref.Val {
	v, ok := t.Find(key)
	if v != nil && types.IsUnknownOrError(v) {
		return v
	}
	return types.Bool(ok)
}

// Size is how many tags there are.
func (t tagsVal) Size() ref.Val { return types.Int(len(t.tags)) }

// IsZeroValue says that there is no tag.
func (t tagsVal) IsZeroValue() bool { return len(t.tags) == 0 }

// Iterator goes over the keys in order.
func (t tagsVal) Iterator() traits.Iterator { return &tagsIterator{tags: t.tags} }

// Equal compares with any map.
func (t tagsVal) Equal(other ref.Val) ref.Val {
	m, ok := other.(traits.Mapper)
	if !ok || m.Size() != t.Size() {
		return types.False
	}
	for _, tag := range t.tags {
		v, found := m.Find(types.String(tag.Key))
		if !found || types.Equal(v, types.String(tag.Value)) != types.True {
			return types.False
		}
	}
	return types.True
}

// ConvertToNative makes a Go map.
func (t tagsVal) ConvertToNative(to reflect.Type) (any, error) {
	return types.DefaultTypeAdapter.NativeToValue(t.tags.Map()).ConvertToNative(to)
}

// ConvertToType knows maps only.
func (t tagsVal) ConvertToType(to ref.Type) ref.Val {
	switch to {
	case types.MapType:
		return t
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("tags are no %s", to.TypeName())
}

// Type is map.
func (t tagsVal) Type() ref.Type { return types.MapType }

// Value is a Go map.
func (t tagsVal) Value() any { return t.tags.Map() }

type tagsIterator struct {
	tags cloud.Tags
	next int
	none
}

// none lets the iterator be a value of CEL, as it must.
type none struct{}

func (none) ConvertToNative(reflect.Type) (any, error) {
	return nil, fmt.Errorf("an iterator is no value")
}
func (none) ConvertToType(ref.Type) ref.Val { return types.NewErr("an iterator is no value") }
func (none) Equal(ref.Val) ref.Val          { return types.False }
func (none) Type() ref.Type                 { return types.IteratorType }
func (none) Value() any                     { return nil }

// HasNext says whether there is another key.
func (i *tagsIterator) HasNext() ref.Val { return types.Bool(i.next < len(i.tags)) }

// Next is the next key.
func (i *tagsIterator) Next() ref.Val {
	if i.next >= len(i.tags) {
		return nil
	}
	i.next++
	return types.String(i.tags[i.next-1].Key)
}
