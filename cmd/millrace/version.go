package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/shared/kafkaversion"
)

// programVersion is what this program was built from.
type programVersion struct {
	Version  string `json:"version"`            // of the module; (devel) for a build from a work tree
	Revision string `json:"revision,omitempty"` // of the source, when the build has recorded it
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Kafka    string `json:"kafka"` // the release that clusters get by default
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what this program was built from",
		Example: `  millrace version
  millrace version --output json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			return a.print(v, func(w io.Writer) error {
				return facts(w,
					[2]string{"Millrace", v.Version},
					[2]string{"Revision", v.Revision},
					[2]string{"Go", v.Go},
					[2]string{"Platform", v.Platform},
					[2]string{"Apache Kafka", v.Kafka + " by default"},
				)
			})
		},
	}
}

func readVersion() programVersion {
	v := programVersion{
		Version:  "unknown",
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Kafka:    kafkaversion.Default().Release,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
