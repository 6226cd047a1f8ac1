package awstest_test

import (
	"bufio"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

func TestStart_GivesEachTestAnAccountOfItsOwn(t *testing.T) {
	one, other := awstest.Start(t), awstest.Start(t)
	one.NewTable(t)
	if one.Endpoint != other.Endpoint || one.Account == other.Account {
		t.Errorf("%s at %s, %s at %s", one.Account, one.Endpoint, other.Account, other.Endpoint)
	}
	for account, want := range map[*awstest.AWS]int{&one: 1, &other: 0} {
		tables, err := dynamodb.NewFromConfig(account.Config).ListTables(t.Context(), nil)
		if err != nil || len(tables.TableNames) != want {
			t.Errorf("%d tables, %v; want %d", len(tables.TableNames), err, want)
		}
	}
	if arn := one.NewKey(t); !strings.Contains(arn, ":"+one.Account+":") {
		t.Errorf("%s is not of account %s", arn, one.Account)
	}
}

// waiting makes the test binary start a server, name it and wait to be killed.
const waiting = "MILLRACE_TEST_START_AND_WAIT"

func TestServer_EndsWithATestThatIsKilled(t *testing.T) {
	if os.Getenv(waiting) != "" {
		os.Stdout.WriteString(awstest.Start(t).Endpoint + "\n")
		select {}
	}
	if testing.Short() {
		t.Skip("moto takes seconds to start")
	}
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServer_EndsWithATestThatIsKilled$")
	other.Env = append(os.Environ(), waiting+"=1")
	said, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	other.Process.Kill()
	other.Wait()
	endpoint, parseErr := url.Parse(strings.TrimSpace(line))
	if err != nil || parseErr != nil || endpoint.Host == "" {
		t.Fatalf("the other test said %q: %v, %v", line, err, parseErr)
	}
	for late := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", endpoint.Host)
		if err != nil {
			return // nobody listens any more
		}
		c.Close()
		if time.Now().After(late) {
			t.Fatalf("the server at %s outlives the test that started it", endpoint.Host)
		}
	}
}
