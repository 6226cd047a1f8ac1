package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stockJVM is what Kafka's own start script gives a broker.
var stockJVM = []string{
	"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
	"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
}

// runStock starts three nodes as Kafka's quick start would: each broker and controller at once, formatted by Kafka's own
// tool, nothing tuned, plaintext. It gives the time until the first record.
func (b *bench) runStock(ctx context.Context) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "stock-")
	if err != nil {
		return 0, err
	}
	h := &byHand{dir: dir}
	b.onClose(h.end)
	block := loopbackBlock()
	var voters, paths []string
	var k brokers
	for id := 1; id <= brokerCount; id++ {
		voters = append(voters, fmt.Sprintf("%d@%s%d:9093", id, block, id))
		k.addresses = append(k.addresses, fmt.Sprintf("%s%d:9092", block, id))
	}
	for id := 1; id <= brokerCount; id++ {
		path := filepath.Join(dir, fmt.Sprintf("server-%d.properties", id))
		paths = append(paths, path)
		text := fmt.Sprintf("process.roles=broker,controller\nnode.id=%[1]d\ncontroller.quorum.voters=%[2]s\n"+
			"listeners=PLAINTEXT://%[3]s%[1]d:9092,CONTROLLER://%[3]s%[1]d:9093\ncontroller.listener.names=CONTROLLER\nlog.dirs=%[4]s\n",
			id, strings.Join(voters, ","), block, filepath.Join(dir, fmt.Sprintf("volume-%d", id)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return 0, err
		}
	}

	began := time.Now()
	if err := b.formatStock(ctx, paths); err != nil {
		return 0, err
	}
	var commands []*exec.Cmd
	for _, path := range paths {
		commands = append(commands, b.java(stockJVM, "kafka.Kafka", path))
	}
	if err := h.start(commands); err != nil {
		return 0, err
	}
	if err := h.firstRecord(ctx, k); err != nil {
		return 0, err
	}
	return time.Since(began), h.end()
}

// formatStock runs Kafka's own tool for all nodes at once.
func (b *bench) formatStock(ctx context.Context, properties []string) error {
	clusterID := randomID()
	errs := make(chan error, len(properties))
	for _, path := range properties {
		go func() {
			tool := b.java([]string{"-Xmx256M"}, "kafka.tools.StorageTool", "format", "--cluster-id", clusterID, "--config", path)
			tool = exec.CommandContext(ctx, tool.Path, tool.Args[1:]...)
			output, err := tool.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("format by Kafka's own tool: %w\n%s", err, output)
			}
			errs <- err
		}()
	}
	var first error
	for range properties {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

func (b *bench) java(flags []string, class string, args ...string) *exec.Cmd {
	all := append(append([]string{}, flags...), "-cp", strings.Join(b.kafka.Jars, string(os.PathListSeparator)), class)
	return exec.Command(b.kafka.Java, append(all, args...)...)
}
