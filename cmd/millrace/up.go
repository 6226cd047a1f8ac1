package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/platform/local"
)

// upFlags are the flags of up, as given.
type upFlags struct {
	detach          bool
	listen, region  string
	controllers     int
	maxBrokers      int
	agent, software string // empty for the defaults
}

func (a *app) upCommand() *cobra.Command {
	var flags upFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the control plane",
		Long: `Starts the control plane, which serves the API of Amazon MSK on this machine, and with it
the brokers of all clusters that the data directory holds.

It stays in the foreground and logs there; Ctrl-C stops the control plane and leaves the
brokers running. With --detach it goes on in the background and logs to a file.`,
		Example: `  millrace up
  millrace up --detach --region eu-west-1
  millrace up --data /srv/second --listen 127.0.0.1:4700 --controllers 3`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.up(c.Context(), flags) },
	}
	f := c.Flags()
	f.BoolVarP(&flags.detach, "detach", "d", false, "go on in the background")
	f.StringVar(&flags.listen, "listen", "127.0.0.1:4600", "loopback address and port of the API; port 0 takes a free one")
	f.StringVar(&flags.region, "region", "", "region of all that is made here (default "+defaultRegion+", or what the data directory was made for)")
	f.IntVar(&flags.controllers, "controllers", 1, "controllers of each new cluster: 1, or 3 to try out a quorum")
	f.IntVar(&flags.maxBrokers, "max-brokers", 9, "brokers that a cluster may have; each is a Java process, and all start at once")
	f.StringVar(&flags.agent, "agent", "", "path of the broker-agent program (default: beside this program)")
	f.StringVar(&flags.software, "software", "", "directory of Kafka's software (default: in the user's cache)")
	hide(c, "agent", "software")
	return c
}

// hide leaves flags out of the help: they are for tests and for the program itself.
func hide(c *cobra.Command, names ...string) {
	for _, name := range names {
		c.Flags().Lookup(name).Hidden = true
	}
}

func (a *app) up(ctx context.Context, flags upFlags) error {
	config, err := a.controlPlaneConfig(flags)
	if err != nil {
		return err
	}
	if flags.detach {
		return a.detach(ctx, config)
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(a.err, nil)))
	err = runControlPlane(ctx, config, func(address string) { a.greet(serving(config, address, os.Getpid())) })
	if err != nil {
		return a.explainStart(config, err)
	}
	a.sayGoodbye(config)
	return nil
}

const defaultRegion = "us-east-1"

var regionPattern = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)

// controlPlaneConfig checks the flags, and that the directory may become a data directory.
func (a *app) controlPlaneConfig(flags upFlags) (controlPlaneConfig, error) {
	config := controlPlaneConfig{Listen: flags.listen, Region: flags.region, Controllers: flags.controllers, MaxBrokers: flags.maxBrokers}
	if err := checkLoopback(flags.listen); err != nil {
		return config, usagef("--listen %s: %w", flags.listen, err)
	}
	if flags.region != "" && !regionPattern.MatchString(flags.region) {
		return config, usagef("--region %s is not the name of a region, such as us-east-1", flags.region)
	}
	if flags.controllers != 1 && flags.controllers != 3 {
		return config, usagef("--controllers is 1 or 3, not %d", flags.controllers)
	}
	if flags.maxBrokers < 2 {
		return config, usagef("--max-brokers is 2 or more, not %d", flags.maxBrokers)
	}
	layout, err := a.takeableLayout()
	if err != nil {
		return config, err
	}
	config.Data = layout.Dir
	if config.Region == "" {
		if config.Region, err = regionOf(layout); err != nil {
			return config, err
		}
	}
	if config.Agent, err = findAgent(flags.agent); err != nil {
		return config, err
	}
	config.Software, err = findSoftware(flags.software)
	return config, err
}

// regionOf is the region for whoever names none.
func regionOf(layout local.Layout) (string, error) {
	region, err := layout.Region()
	if err != nil || region == "" {
		return defaultRegion, err
	}
	return region, nil
}

// takeableLayout makes the data directory and gives it by its real path. A directory that holds something else is
// refused, because reset would have to tell the two apart one day.
func (a *app) takeableLayout() (local.Layout, error) {
	layout, err := a.layout()
	if err != nil {
		return layout, err
	}
	if err := os.MkdirAll(layout.Dir, 0o700); err != nil {
		return layout, fmt.Errorf("make the data directory: %w; choose another with --data", err)
	}
	if layout, err = a.layout(); err != nil {
		return layout, err
	}
	ours, err := layout.Exists()
	if err != nil || ours {
		return layout, err
	}
	foreign, err := layout.Foreign()
	if err != nil {
		return layout, err
	}
	if len(foreign) > 0 {
		return layout, fmt.Errorf("%s is not a data directory of Millrace and holds other files, such as %s; choose an empty directory with --data",
			layout.Dir, foreign[0])
	}
	return layout, nil
}

// checkLoopback refuses every address but this machine's own: nothing of a local control plane is meant for a network.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("only a loopback address is possible, such as 127.0.0.1:4600")
	}
	return nil
}

func findAgent(given string) (string, error) {
	path, err := filepath.Abs(given)
	if given == "" {
		path, err = agentProgram()
	}
	if err != nil {
		return "", err
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return "", fmt.Errorf("the program of the hosts is missing (%s: %w); build both with: make build", path, err)
	}
	return path, nil
}

func findSoftware(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	store, err := kafkadist.UserStore()
	return store.Dir, err
}

// explainStart says why a control plane could not start, where the cause is one that users meet.
func (a *app) explainStart(config controlPlaneConfig, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%s is taken by another program; choose another port with --listen, such as --listen 127.0.0.1:0 for a free one", config.Listen)
	case fault.Is(err, fault.Invalid):
		return fmt.Errorf("%w; leave --region away, or choose another directory with --data", err)
	case fault.Is(err, fault.Conflict):
		running, findErr := local.Layout{Dir: config.Data}.Running()
		if findErr != nil {
			return fmt.Errorf("another millrace command is at work on %s; try again in a moment", config.Data)
		}
		return fmt.Errorf("a control plane serves %s already, at http://%s (pid %d); stop it with: %s",
			config.Data, running.Address, running.PID, a.hint("down"))
	default:
		return err
	}
}

// started is a control plane that is ready.
type started struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Data     string `json:"data"`
	PID      int    `json:"pid"`
	Log      string `json:"log,omitempty"` // of one in the background
}

func serving(config controlPlaneConfig, address string, pid int) started {
	return started{Endpoint: "http://" + address, Region: config.Region, Data: config.Data, PID: pid}
}

// greet says that the control plane is ready, and what one does with it.
func (a *app) greet(s started) {
	_ = a.print(s, func(w io.Writer) error { // nobody who reads it is no reason to stop serving
		fmt.Fprintf(w, "Millrace serves the API of Amazon MSK at %s (region %s, data in %s).\n\n", s.Endpoint, s.Region, s.Data)
		suggest(w, [][2]string{
			{`eval "$(` + a.hint("env") + `)"`, "point the AWS clients of this shell at it"},
			{"aws kafka list-clusters-v2", "use them"},
			{a.hint("status") + " --watch", "see clusters, brokers and what they wait for"},
			{a.hint("down"), "stop it, with all brokers"},
		})
		if s.Log != "" {
			fmt.Fprintf(w, "\nIts log is %s.\n", s.Log)
		}
		return nil
	})
}

// suggest writes commands with what they are for, aligned.
func suggest(w io.Writer, commands [][2]string) {
	width := 0
	for _, c := range commands {
		width = max(width, len(c[0]))
	}
	for _, c := range commands {
		fmt.Fprintf(w, "  %s%s  # %s\n", c[0], strings.Repeat(" ", width-len(c[0])), c[1])
	}
}

// sayGoodbye tells what goes on running when the control plane has ended.
func (a *app) sayGoodbye(config controlPlaneConfig) {
	hosts := &local.Hosts{Layout: local.Layout{Dir: config.Data}}
	n, err := hosts.Running(context.Background())
	switch {
	case err != nil:
		fmt.Fprintf(a.err, "The control plane has stopped. Brokers go on running; stop them with: %s\n", a.hint("down"))
	case n == 0:
		fmt.Fprintln(a.err, "The control plane has stopped. No broker was running.")
	default:
		fmt.Fprintf(a.err, "The control plane has stopped. Its brokers go on running on %s.\n", count(n, "host"))
		suggest(a.err, [][2]string{
			{a.hint("up"), "take them up again"},
			{a.hint("down"), "stop them"},
		})
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
