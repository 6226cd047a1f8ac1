// Package kafkaversion is the one table from the version names of Amazon MSK to the Apache Kafka releases that run here.
//
// MSK names a line of releases (4.1.x.kraft) and manages the patch level itself. Millrace does the same: each name stands
// for one exact release that was started, formatted and rolled for real. The requested name stays in the API; the
// release is what hosts are told to run. Nothing here looks anything up: it is data.
package kafkaversion

import "slices"

// Status is MSK's word for whether a version may still be chosen. Every version that is run here may be.
type Status string

// Active versions are for new clusters.
const Active Status = "ACTIVE"

// Version is one version as MSK names it and what it means here.
type Version struct {
	// Name is the version as clients of the API write it, such as 4.1.x.kraft.
	Name string
	// Release is the exact Apache Kafka release, such as 4.1.2.
	Release string
	Status  Status
	// Features are the levels a new cluster of this release starts with; metadata.version is always the first.
	Features []Feature
}

// Feature is a cluster-wide feature of Kafka and its finalized level.
type Feature struct {
	Name  string
	Level int16
}

// Names of Kafka's features.
const (
	MetadataVersion        = "metadata.version"
	GroupVersion           = "group.version"
	TransactionVersion     = "transaction.version"
	EligibleLeaderReplicas = "eligible.leader.replicas.version"
	ShareVersion           = "share.version"
	StreamsVersion         = "streams.version"
)

// versions is in the order in which MSK lists them, oldest first.
var versions = []Version{
	{"3.9.x", "3.9.1", Active, features(21)},
	{"3.9.x.kraft", "3.9.1", Active, features(21)},
	{"4.0.x.kraft", "4.0.0", Active, features(25, group, transaction)},
	{"4.1.x.kraft", "4.1.2", Active, features(27, group, transaction, eligible)},
	{"4.2.x.kraft", "4.2.1", Active, features(29, group, transaction, eligible, share, streams)},
	{"4.3.x.kraft", "4.3.1", Active, features(30, group, transaction, eligible, share, streams)},
	{"4.4.x.kraft", "4.4.0", Active, features(33, group, transaction, eligible, share, streams)},
}

// others are the names that MSK has given, or still gives, to versions that are not run here, oldest first.
var others = []string{
	"1.1.1", "2.1.0", "2.2.1", "2.3.1", "2.4.1", "2.4.1.1", "2.5.1", "2.6.0", "2.6.1", "2.6.2", "2.6.3", "2.7.0", "2.7.1", "2.7.2",
	"2.8.0", "2.8.1", "2.8.2.tiered", "3.1.1", "3.2.0", "3.3.1", "3.3.2", "3.4.0", "3.5.1", "3.6.0", "3.6.0.1",
	"3.7.x", "3.7.x.kraft", "3.8.x", "3.8.x.kraft", "3.8.link",
}

var (
	group       = Feature{GroupVersion, 1}
	transaction = Feature{TransactionVersion, 2}
	eligible    = Feature{EligibleLeaderReplicas, 1}
	share       = Feature{ShareVersion, 1}
	streams     = Feature{StreamsVersion, 1}
)

func features(metadata int16, more ...Feature) []Feature {
	return append([]Feature{{MetadataVersion, metadata}}, more...)
}

// All lists every version in MSK's order, oldest first.
func All() []Version { return slices.Clone(versions) }

// Releases are those of Apache Kafka behind all versions, each once, oldest first.
func Releases() []string {
	var releases []string
	for _, v := range versions {
		if !slices.Contains(releases, v.Release) {
			releases = append(releases, v.Release)
		}
	}
	return releases
}

// Names are all names of versions, also of those that are not run here, oldest first.
func Names() []string {
	names := slices.Clone(others)
	for _, v := range versions {
		names = append(names, v.Name)
	}
	return names
}

// Lookup finds a version by MSK's name for it.
func Lookup(name string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Name == name })
	if i < 0 {
		return Version{}, false
	}
	return versions[i], true
}

// OfRelease finds the version that stands for an exact release, such as 4.1.2.
func OfRelease(release string) (Version, bool) {
	for _, v := range slices.Backward(versions) {
		if v.Release == release {
			return v, true
		}
	}
	return Version{}, false
}

// Default is the version for whoever does not choose one: the newest whose release is complete. Kafka's own tools and
// Connect are not published for 4.4.0.
func Default() Version {
	v, _ := Lookup("4.3.x.kraft")
	return v
}

// CompatibleTargets names the versions a cluster of the named version may be moved to: all that follow it in MSK's order.
// Kafka's metadata can't be taken back to an older release, so a downgrade is never among them. From 3.9.x to 3.9.x.kraft,
// which for MSK is the step away from ZooKeeper, nothing but the name changes here. An unknown name has no targets.
func CompatibleTargets(name string) []string {
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	var targets []string
	for _, v := range versions[i+1:] {
		targets = append(targets, v.Name)
	}
	return targets
}
