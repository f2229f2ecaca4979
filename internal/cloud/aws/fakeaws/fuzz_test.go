package fakeaws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// wellFormed reads a document to its end.
func wellFormed(b []byte) error {
	for dec := xml.NewDecoder(bytes.NewReader(b)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// FuzzQuery: whatever form comes in, the answer is one XML document, a mistake of the client is never one of ours, and
// what was refused has changed nothing.
func FuzzQuery(f *testing.F) {
	for _, form := range []string{
		"Action=DescribeInstances&Version=" + ec2Version,
		"Action=DescribeSnapshots&Version=" + ec2Version + "&OwnerId.1=self&Filter.1.Name=tag:stint:policy&Filter.1.Value.1=*&MaxResults=5",
		"Action=CreateSnapshots&Version=" + ec2Version + "&InstanceSpecification.InstanceId=ID&TagSpecification.1.ResourceType=snapshot&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b",
		"Action=CreateTags&Version=" + ec2Version + "&ResourceId.1=ID&Tag.1.Key=a&Tag.1.Value=%3Cb%3E%00",
		"Action=RunInstances&Version=" + ec2Version + "&ImageId=" + BaseImage + "&MinCount=1&MaxCount=2&InstanceType=t3.micro&ClientToken=x",
		"Action=CreateImage&Version=" + ec2Version + "&InstanceId=ID&Name=n&NoReboot=true", "Action=CreateVolume&Version=" + ec2Version + "&AvailabilityZone=us-east-1a&Size=1",
		"Action=CopySnapshot&Version=" + ec2Version + "&SourceRegion=us-east-1&SourceSnapshotId=" + baseSnapshot,
		"Action=ModifyImageAttribute&Version=" + ec2Version + "&ImageId=ID&LaunchPermission.Add.1.UserId=444455556666&Attribute=launchPermission",
		"Action=ModifySnapshotAttribute&Version=" + ec2Version + "&SnapshotId=ID&OperationType=remove&UserId.1=444455556666",
		"Action=DescribeSnapshotAttribute&Version=" + ec2Version + "&SnapshotId=ID&Attribute=createVolumePermission",
		"Action=CopyImage&Version=" + ec2Version + "&SourceRegion=us-east-1&Name=abc&Encrypted=true&KmsKeyId=x&SourceImageId=" + BaseImage,
		"Action=DescribeImages&Version=" + ec2Version + "&NextToken=xyz&ImageId.1=ami-1", "Action=DescribeVolumes&Version=" + ec2Version + "&VolumeId.999999999=x&VolumeId.1=",
		"Action=RegisterImage&Version=" + ec2Version + "&Name=x&RootDeviceName=/dev/xvda&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.SnapshotId=" + baseSnapshot,
		"Action=DescribeTags&Version=" + ec2Version + "&Filter.1.Name=key&Filter.1.Value.1=%2A%3F", "Action=GetCallerIdentity&Version=" + stsVersion,
		"Action=AssumeRole&Version=" + stsVersion + "&RoleArn=a&RoleSessionName=%3Ca&DurationSeconds=900", "Action=Nothing", "%zz=1", "",
	} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		fake := New(Options{AnyKey: true, Now: func() time.Time { return at }})
		id := fake.AddInstances(here, 1, 2, nil)[0]
		fake.AddSnapshot(here, Snapshot{})
		fake.AddImage(here, Image{Name: "by-hand"})
		form = strings.ReplaceAll(form, "=ID", "="+id)
		before := fake.Version()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ec2.example.com/", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", algorithm+" Credential=ANY/20261120/"+here+"/ec2/aws4_request, SignedHeaders=host, Signature=00")
		began := time.Now()
		resp, err := fake.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatalf("%q: got %v, want an answer", form, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if took := time.Since(began); took > 2*time.Second || len(body) > 4<<20 {
			t.Errorf("%q took %v and gave %d bytes", form, took, len(body))
		}
		if resp.StatusCode >= 500 {
			t.Errorf("%q: got HTTP %d: %s", form, resp.StatusCode, body)
		}
		if err := wellFormed(body); err != nil {
			t.Errorf("%q: the answer is no XML: %v: %s", form, err, body)
		}
		if resp.StatusCode != http.StatusOK && fake.Version() != before {
			t.Errorf("%q: was refused (%s), and changed something", form, body)
		}
		var kept bytes.Buffer
		if err := fake.Save(&kept); err != nil {
			t.Fatalf("%q: the state cannot be saved: %v", form, err)
		}
		if err := New(Options{}).Load(&kept); err != nil {
			t.Errorf("%q: the state cannot be loaded: %v", form, err)
		}
	})
}

// FuzzSignature: a request that the SDK signed is accepted; any other body, path, query or header under that signature is
// not, and garbage instead of a signature never is.
func FuzzSignature(f *testing.F) {
	f.Add("Action=DescribeRegions&Version="+ec2Version, "", "", "")
	f.Add("Action=DescribeRegions&Version="+ec2Version, "&DryRun=true", "", "")
	f.Add("Action=DescribeRegions", "", algorithm+" Credential=a/b/c/d/e, SignedHeaders=, Signature=", "")
	f.Add("a=%20b+c", "", algorithm+" Credential="+AccessKey+"/20261120/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "x y=1&x=%2B")
	f.Fuzz(func(t *testing.T, body, more, auth, query string) {
		now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		fake := New(Options{Now: func() time.Time { return now }})
		if _, err := url.ParseQuery(query); err != nil || strings.ContainsAny(query, "#\x00") {
			t.Skip("no client sends it")
		}
		make := func(body string) *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ec2.example.com/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			values, _ := url.ParseQuery(query)
			r.URL.RawQuery = values.Encode()
			return r
		}
		r := make(body)
		err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, r, hexSHA(body), "ec2", here, now)
		if err != nil {
			t.Skip(err)
		}
		if _, err := fake.authenticate(r, []byte(body), false, now); err != nil {
			t.Errorf("a request of body %q and query %q that the SDK signed: got %v, want it accepted", body, r.URL.RawQuery, err)
		}
		if more != "" {
			if _, err := fake.authenticate(r, []byte(body+more), false, now); err == nil {
				t.Errorf("body %q with %q added is accepted", body, more)
			}
		}
		if _, err := fake.authenticate(r, []byte(body), true, now); err == nil {
			t.Error("what is signed for ec2 is accepted by sts")
		}
		if _, err := fake.authenticate(r, []byte(body), false, now.Add(maxSkew+time.Second)); err == nil {
			t.Error("an old signature is accepted")
		}
		if auth == r.Header.Get("Authorization") {
			return
		}
		g := make(body)
		g.Header.Set("Authorization", auth)
		g.Header.Set("X-Amz-Date", r.Header.Get("X-Amz-Date"))
		if _, err := fake.authenticate(g, []byte(body), false, now); err == nil {
			t.Errorf("the signature %q is accepted", auth)
		}
		scopeRegion(g)
	})
}

// FuzzLoad: a state that cannot be whole is refused, and what is accepted can be asked about and saved again.
func FuzzLoad(f *testing.F) {
	fake := New(Options{Regions: []string{here}})
	fake.AddInstances(here, 1, 1, func(int) map[string]string { return map[string]string{"a": "b"} })
	var kept bytes.Buffer
	if err := fake.Save(&kept); err != nil {
		f.Fatal(err)
	}
	f.Add(kept.Bytes())
	f.Add([]byte(`{"account":"1","regions":{"us-east-1":null}}`))
	f.Add([]byte(`{"account":"1","regions":{"us-east-1":{"instances":{"rows":[null]},"gone":{},"tokens":{},"making":{}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fake := New(Options{AnyKey: true})
		if err := fake.Load(bytes.NewReader(data)); err != nil {
			return
		}
		for _, action := range []string{"DescribeInstances", "DescribeVolumes", "DescribeSnapshots", "DescribeImages", "DescribeTags"} {
			form := "Action=" + action + "&Version=" + ec2Version
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ec2.example.com/", strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", algorithm+" Credential=ANY/20261120/"+here+"/ec2/aws4_request, SignedHeaders=host, Signature=00")
			resp, err := fake.RoundTripper().RoundTrip(r)
			if err != nil || resp.StatusCode >= 500 {
				t.Errorf("%s of the state %q: got %v, %v", action, data, resp, err)
			}
		}
		var again bytes.Buffer
		if err := fake.Save(&again); err != nil {
			t.Errorf("the state %q cannot be saved again: %v", data, err)
		}
	})
}
