package kafkaversion_test

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/shared/kafkaversion"
)

func TestCompatibleTargets_AreNewerOnly(t *testing.T) {
	for _, tt := range []struct {
		name   string
		source string
		want   []string
	}{
		{"the oldest may become everything else", "3.9.x", []string{"3.9.x.kraft", "4.0.x.kraft", "4.1.x.kraft", "4.2.x.kraft", "4.3.x.kraft", "4.4.x.kraft"}},
		{"the kraft name is never taken back", "3.9.x.kraft", []string{"4.0.x.kraft", "4.1.x.kraft", "4.2.x.kraft", "4.3.x.kraft", "4.4.x.kraft"}},
		{"a release in the middle only goes up", "4.1.x.kraft", []string{"4.2.x.kraft", "4.3.x.kraft", "4.4.x.kraft"}},
		{"the newest has nowhere to go", "4.4.x.kraft", nil},
		{"an unknown version has no targets", "2.8.1", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := kafkaversion.CompatibleTargets(tt.source); !slices.Equal(got, tt.want) {
				t.Errorf("CompatibleTargets(%q) = %v, want %v", tt.source, got, tt.want)
			}
		})
	}
}

func TestLookup_KnowsEveryListedVersionByItsName(t *testing.T) {
	for _, v := range kafkaversion.All() {
		got, ok := kafkaversion.Lookup(v.Name)
		if !ok || got.Release != v.Release {
			t.Errorf("Lookup(%q) = %v, %v", v.Name, got, ok)
		}
	}
	if _, ok := kafkaversion.Lookup("4.1.2"); ok {
		t.Error("a release was taken for a version name")
	}
}

func TestOfRelease_PrefersTheNewestNameOfARelease(t *testing.T) {
	if v, ok := kafkaversion.OfRelease("3.9.1"); !ok || v.Name != "3.9.x.kraft" {
		t.Errorf("OfRelease(3.9.1) = %v, %v", v.Name, ok)
	}
	if _, ok := kafkaversion.OfRelease("3.9.0"); ok {
		t.Error("a release that no version stands for was found")
	}
}

func TestMetadataVersion_ComesFirstAndNeverFalls(t *testing.T) {
	level := int16(0)
	for _, v := range kafkaversion.All() {
		first := v.Features[0]
		if first.Name != kafkaversion.MetadataVersion || first.Level < level {
			t.Errorf("%s starts with %v after level %d", v.Name, first, level)
		}
		level = first.Level
	}
}

func TestNames_HoldEveryVersionOnceTheOldestFirst(t *testing.T) {
	names := kafkaversion.Names()
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is there twice", name)
		}
	}
	for _, v := range kafkaversion.All() {
		if !slices.Contains(names, v.Name) {
			t.Errorf("%s is missing", v.Name)
		}
	}
	if names[0] != "1.1.1" || names[len(names)-1] != "4.4.x.kraft" || !slices.Contains(names, "2.8.2.tiered") {
		t.Errorf("the names are %v", names)
	}
}

func TestReleases_AreThoseOfAllVersionsEachOnce(t *testing.T) {
	releases := kafkaversion.Releases()
	for _, v := range kafkaversion.All() {
		if !slices.Contains(releases, v.Release) {
			t.Errorf("%s, which is %s, is not among %v", v.Name, v.Release, releases)
		}
	}
	if once := slices.Compact(slices.Sorted(slices.Values(releases))); len(once) != len(releases) {
		t.Errorf("some stand more than once in %v", releases)
	}
}
