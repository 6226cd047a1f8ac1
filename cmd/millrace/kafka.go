package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaversion"
)

func (a *app) kafkaCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "kafka",
		Short: "List the versions of Apache Kafka, and install them ahead of time",
		Example: `  millrace kafka versions
  millrace kafka install`,
	}, a.kafkaVersionsCommand(), a.kafkaInstallCommand())
}

// kafkaVersion is a version that clusters may have.
type kafkaVersion struct {
	Version string              `json:"version"` // MSK's name
	Release string              `json:"release"` // the exact release of Apache Kafka it stands for
	Status  kafkaversion.Status `json:"status"`
	Default bool                `json:"default"`
}

func (a *app) kafkaVersionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "versions",
		Short: "List the versions a cluster can have, and the release of Apache Kafka behind each",
		Example: `  millrace kafka versions
  millrace kafka versions --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			versions := kafkaVersions()
			return a.print(versions, func(w io.Writer) error {
				var rows [][]string
				for _, v := range versions {
					status := string(v.Status)
					if v.Default {
						status += " (default)"
					}
					rows = append(rows, []string{v.Version, v.Release, status})
				}
				return table(w, []string{"VERSION", "RELEASE", "STATUS"}, rows)
			})
		},
	}
}

func kafkaVersions() []kafkaVersion {
	var versions []kafkaVersion
	for _, v := range kafkaversion.All() {
		versions = append(versions, kafkaVersion{v.Name, v.Release, v.Status, v.Name == kafkaversion.Default().Name})
	}
	return versions
}

func (a *app) kafkaInstallCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "install [VERSION...]",
		Short: "Put Kafka's software on this machine ahead of time",
		Long: `Fetches Apache Kafka from Maven Central, checks it, and builds the archive that makes
brokers start fast: once per release, for all data directories of this user. Without it,
the first cluster of a version does this. VERSION is one of "millrace kafka versions" or
an exact release; without any, the default is installed.`,
		Example: `  millrace kafka install
  millrace kafka install 3.9.x 4.1.x.kraft
  millrace kafka install --all`,
		RunE: func(c *cobra.Command, args []string) error {
			releases, err := releasesOf(args, all)
			if err != nil {
				return err
			}
			return a.installKafka(c.Context(), releases)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "install every version")
	return c
}

// releasesOf gives the releases behind the names of versions or of releases themselves, each once.
func releasesOf(names []string, all bool) ([]string, error) {
	if all && len(names) > 0 {
		return nil, usagef("give either versions or --all")
	}
	var releases []string
	add := func(release string) {
		if !slices.Contains(releases, release) {
			releases = append(releases, release)
		}
	}
	for _, name := range names {
		v, known := kafkaversion.Lookup(name)
		if !known {
			v, known = kafkaversion.OfRelease(name)
		}
		if !known {
			return nil, usagef("there is no version %s; it is one of %s", name, strings.Join(versionNames(), ", "))
		}
		add(v.Release)
	}
	if all {
		for _, v := range kafkaversion.All() {
			add(v.Release)
		}
	}
	if len(releases) == 0 {
		add(kafkaversion.Default().Release)
	}
	return releases, nil
}

func versionNames() []string {
	var names []string
	for _, v := range kafkaversion.All() {
		names = append(names, v.Name)
	}
	return names
}

// installed is a release that is ready to start.
type installed struct {
	Release string `json:"release"`
	Archive string `json:"archive"`
	Java    string `json:"java"`
}

func (a *app) installKafka(ctx context.Context, releases []string) error {
	store, err := kafkadist.UserStore()
	if err != nil {
		return err
	}
	var done []installed
	for i, release := range releases {
		kafka, err := store.Ensure(ctx, release, func(format string, args ...any) {
			fmt.Fprintf(a.err, "[%d/%d] %s\n", i+1, len(releases), fmt.Sprintf(format, args...))
		})
		if err != nil {
			return err
		}
		done = append(done, installed{kafka.Release, kafka.Archive, kafka.Java})
	}
	return a.print(done, func(w io.Writer) error {
		for _, d := range done {
			if _, err := fmt.Fprintf(w, "Apache Kafka %s is ready in %s.\n", d.Release, store.Dir); err != nil {
				return err
			}
		}
		return nil
	})
}
