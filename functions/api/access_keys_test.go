package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kafka"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/fault"
)

// issuedKey is a key as its caller is shown it, once.
type issuedKey struct{ id, secret string }

// issue issues a key and wants it to come whole.
func (d *frontDesk) issue(t *testing.T, role accesskey.Role) issuedKey {
	t.Helper()
	return d.wantKey(t, d.send(t, "POST", "/millrace/v1/keys", []byte(`{"role": "`+string(role)+`", "description": "for `+string(role)+`"}`)), role)
}

// wantKey reads an answer that has to hold a new key.
func (d *frontDesk) wantKey(t *testing.T, a answer, role accesskey.Role) issuedKey {
	t.Helper()
	id, _ := a.Body["accessKeyId"].(string)
	secret, _ := a.Body["secretAccessKey"].(string)
	if a.Status != 200 || !accesskey.IsID(id) || len(secret) != 40 || a.Body["role"] != string(role) || a.Body["createdBy"] != accessKey ||
		a.Body["description"] != "for "+string(role) || a.Body["createdAt"] == nil {
		t.Fatalf("got %+v", a)
	}
	return issuedKey{id, secret}
}

// as gives the SDK's client of the desk with another key.
func (d *frontDesk) as(k issuedKey) *kafka.Client {
	options := d.Options()
	options.Credentials = credentials.NewStaticCredentialsProvider(k.id, k.secret, "")
	return kafka.New(options)
}

// call sends a request that is signed with a key.
func (d *frontDesk) call(t *testing.T, k issuedKey, method, path string) answer {
	t.Helper()
	return d.sendAs(t, k.id, k.secret, method, path, nil)
}

// listed gives the keys that the API lists, by their ids.
func (d *frontDesk) listed(t *testing.T) map[string]map[string]any {
	t.Helper()
	a := d.send(t, "GET", "/millrace/v1/keys", nil)
	keys, ok := a.Body["keys"].([]any)
	if a.Status != 200 || !ok {
		t.Fatalf("listed %+v", a)
	}
	found := map[string]map[string]any{}
	for _, k := range keys {
		key := k.(map[string]any)
		found[key["accessKeyId"].(string)] = key
	}
	return found
}

func TestAccessKeys_MayDoWhatTheirRoleSays(t *testing.T) {
	desk := openFrontDesk(t)
	c := desk.end(t, desk.create(t, "orders"), nil)
	keys := map[accesskey.Role]issuedKey{}
	for _, role := range accesskey.Roles() {
		keys[role] = desk.issue(t, role)
	}
	asks := []struct {
		operation string
		needs     accesskey.Role
		ask       func(*kafka.Client, issuedKey) error
	}{
		{"ListClustersV2", accesskey.ReadOnly, func(k *kafka.Client, _ issuedKey) error {
			_, err := k.ListClustersV2(t.Context(), &kafka.ListClustersV2Input{})
			return err
		}},
		{"DescribeClusterV2", accesskey.ReadOnly, func(k *kafka.Client, _ issuedKey) error {
			_, err := k.DescribeClusterV2(t.Context(), &kafka.DescribeClusterV2Input{ClusterArn: &c.ARN})
			return err
		}},
		{"CreateClusterV2", accesskey.Operator, func(k *kafka.Client, by issuedKey) error {
			p := threeBrokers()
			name := "of-" + strings.ToLower(by.id)
			_, err := k.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: &name, Provisioned: &p})
			return err
		}},
		{"TagResource", accesskey.Operator, func(k *kafka.Client, _ issuedKey) error {
			_, err := k.TagResource(t.Context(), &kafka.TagResourceInput{ResourceArn: &c.ARN, Tags: map[string]string{"a": "b"}})
			return err
		}},
		{"DeleteCluster", accesskey.Admin, func(k *kafka.Client, _ issuedKey) error {
			_, err := k.DeleteCluster(t.Context(), &kafka.DeleteClusterInput{ClusterArn: &c.ARN})
			return err
		}},
	}
	for _, role := range accesskey.Roles() {
		for _, tt := range asks {
			err := tt.ask(desk.as(keys[role]), keys[role])
			if role.Covers(tt.needs) {
				if err != nil {
					t.Errorf("%s with a %s key: %v", tt.operation, role, err)
				}
				continue
			}
			refused(t, err, "ForbiddenException", tt.operation+" takes the role "+string(tt.needs))
			refused(t, err, "ForbiddenException", "has the role "+string(role))
		}
	}
}

func TestAccessKeys_AreLookedAfterByAdminsOnly(t *testing.T) {
	desk := openFrontDesk(t)
	for _, role := range accesskey.Roles() {
		k := desk.issue(t, role)
		want := 403
		if role == accesskey.Admin {
			want = 200
		}
		victim := desk.issue(t, accesskey.ReadOnly)
		for _, path := range []string{"GET /millrace/v1/keys", "POST /millrace/v1/keys/" + victim.id + "/rotate", "DELETE /millrace/v1/keys/" + victim.id} {
			method, path, _ := strings.Cut(path, " ")
			a := desk.call(t, k, method, path)
			if a.Status != want || want == 403 && a.Type != "ForbiddenException" {
				t.Errorf("%s %s with a %s key: %+v", method, path, role, a)
			}
		}
		a := desk.sendAs(t, k.id, k.secret, "POST", "/millrace/v1/keys", []byte(`{"role": "admin"}`))
		if a.Status != want {
			t.Errorf("a %s key makes itself an admin's: %+v", role, a)
		}
	}
}

// Whoever may not do a thing learns nothing by asking for it.
func TestAccessKeys_OfTooSmallARoleAreRefusedBeforeAnythingIsRead(t *testing.T) {
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.ReadOnly)
	for _, ask := range []struct{ method, path string }{
		{"POST", "/v1/clusters"}, // without a body
		{"DELETE", "/v1/clusters/" + url.PathEscape(absentCluster)},
		{"POST", "/millrace/v1/clusters/" + url.PathEscape(absentCluster) + "/resume"},
		{"DELETE", "/millrace/v1/keys/MILLRACEAAAAAAAAAAAA"},
	} {
		if a := desk.call(t, k, ask.method, ask.path); a.Status != 403 {
			t.Errorf("%s %s: %+v", ask.method, ask.path, a)
		}
	}
}

func TestAccessKeys_HoldNoMoreAsSoonAsTheyAreRevoked(t *testing.T) {
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.ReadOnly)
	for range 3 { // so that its secret is remembered
		if a := desk.call(t, k, "GET", "/v1/clusters"); a.Status != 200 {
			t.Fatalf("before: %+v", a)
		}
	}
	if desk.seal.unsealed != 1 {
		t.Errorf("its secret was unsealed %d times, want once", desk.seal.unsealed)
	}
	if a := desk.send(t, "DELETE", "/millrace/v1/keys/"+k.id, nil); a.Status != 200 || a.Body["accessKeyId"] != k.id {
		t.Fatalf("revoked: %+v", a)
	}
	_, err := desk.as(k).ListClusters(t.Context(), &kafka.ListClustersInput{})
	refused(t, err, "UnauthorizedException", "not known")
	if a := desk.send(t, "DELETE", "/millrace/v1/keys/"+k.id, nil); a.Status != 404 {
		t.Errorf("revoked again: %+v", a)
	}
	if keys := desk.listed(t); len(keys) != 0 {
		t.Errorf("still listed: %v", keys)
	}
}

func TestAccessKeys_ShowTheirSecretOnceAndKeepItSealed(t *testing.T) {
	text := captureLog(t)
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.Operator)
	list := desk.send(t, "GET", "/millrace/v1/keys", nil)
	shown, err := json.Marshal(list.Body)
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := desk.records.AccessKey(t.Context(), k.id)
	if err != nil || !strings.HasSuffix(string(recorded.Sealed), string(turned([]byte(k.secret)))) {
		t.Fatalf("recorded %+v, %v", recorded, err)
	}
	kept, err := json.Marshal(recorded)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the list": string(shown), "the record": string(kept), "the log": text.String()} {
		if !strings.Contains(text, k.id) {
			t.Errorf("%s does not name the key: %s", where, text)
		}
		if strings.Contains(text, k.secret) {
			t.Errorf("%s holds the secret: %s", where, text)
		}
	}
	if strings.Contains(string(shown), "sealed") {
		t.Errorf("the list holds what was sealed: %s", shown)
	}
}

func TestAccessKeys_RotatedGoOnUntilTheirEnd(t *testing.T) {
	desk := openFrontDesk(t)
	var later atomic.Int64
	desk.deps.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	desk.listen(t)
	old := desk.issue(t, accesskey.Operator)
	a := desk.send(t, "POST", "/millrace/v1/keys/"+old.id+"/rotate", []byte(`{"endAfterSeconds": 60}`))
	next := desk.wantKey(t, a, accesskey.Operator)
	if replaces, _ := a.Body["replaces"].(map[string]any); replaces["accessKeyId"] != old.id || replaces["endsAt"] == nil || replaces["replacedBy"] != next.id {
		t.Errorf("it replaces %v", a.Body["replaces"])
	}
	if keys := desk.listed(t); len(keys) != 2 || keys[old.id]["endsAt"] == nil || keys[next.id]["endsAt"] != nil {
		t.Errorf("listed %v", keys)
	}
	for _, k := range []issuedKey{old, next} {
		if a := desk.call(t, k, "GET", "/v1/clusters"); a.Status != 200 {
			t.Errorf("before the end: %+v", a)
		}
	}
	if a := desk.send(t, "POST", "/millrace/v1/keys/"+old.id+"/rotate", nil); a.Status != 400 || !strings.Contains(a.Body["message"].(string), next.id) {
		t.Errorf("rotated twice: %+v", a)
	}

	later.Store(int64(61 * time.Second))
	if a := desk.call(t, old, "GET", "/v1/clusters"); a.Status != 401 {
		t.Errorf("the old one after its end: %+v", a)
	}
	if a := desk.call(t, next, "GET", "/v1/clusters"); a.Status != 200 {
		t.Errorf("the new one after the old one's end: %+v", a)
	}
	if keys := desk.listed(t); len(keys) != 1 || keys[next.id] == nil {
		t.Errorf("listed %v", keys)
	}
	if a := desk.send(t, "POST", "/millrace/v1/keys/"+old.id+"/rotate", nil); a.Status != 404 {
		t.Errorf("one that has ended was rotated: %+v", a)
	}
	desk.issue(t, accesskey.ReadOnly)
	if _, err := desk.records.AccessKey(t.Context(), old.id); !fault.Is(err, fault.NotFound) {
		t.Errorf("what has ended is still kept: %v", err)
	}
}

func TestAccessKeys_RotatedEndAfterADayOrAtOnce(t *testing.T) {
	desk := openFrontDesk(t)
	old := desk.issue(t, accesskey.ReadOnly)
	before := time.Now()
	next := desk.wantKey(t, desk.send(t, "POST", "/millrace/v1/keys/"+old.id+"/rotate", nil), accesskey.ReadOnly)
	recorded, err := desk.records.AccessKey(t.Context(), old.id)
	if err != nil || recorded.EndsAt == nil || recorded.EndsAt.Sub(before).Round(time.Minute) != 24*time.Hour {
		t.Errorf("the old one ends at %v, %v", recorded.EndsAt, err)
	}
	desk.wantKey(t, desk.send(t, "POST", "/millrace/v1/keys/"+next.id+"/rotate", []byte(`{"endAfterSeconds": 0}`)), accesskey.ReadOnly)
	if a := desk.call(t, next, "GET", "/v1/clusters"); a.Status != 401 {
		t.Errorf("after an end at once: %+v", a)
	}
}

func TestAccessKeys_RefuseWhatTheyCannotBe(t *testing.T) {
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.ReadOnly)
	rotate := "/millrace/v1/keys/" + k.id + "/rotate"
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"without a role", "POST", "/millrace/v1/keys", "", "[read-only operator admin]"},
		{"of no role", "POST", "/millrace/v1/keys", `{"role": "king"}`, `"king"`},
		{"with a member nobody knows", "POST", "/millrace/v1/keys", `{"role": "admin", "turbo": 1}`, "turbo"},
		{"with a role that is a number", "POST", "/millrace/v1/keys", `{"role": 1}`, "role can't be a number"},
		{"of no JSON", "POST", "/millrace/v1/keys", `{`, "request body"},
		{"of two objects", "POST", "/millrace/v1/keys", `{"role": "admin"}{}`, "after its JSON object"},
		{"with a description of two lines", "POST", "/millrace/v1/keys", `{"role": "admin", "description": "a\nb"}`, "one line"},
		{"with a long description", "POST", "/millrace/v1/keys", `{"role": "admin", "description": "` + strings.Repeat("a", 257) + `"}`, "256"},
		{"that go on before they began", "POST", rotate, `{"endAfterSeconds": -1}`, "endAfterSeconds"},
		{"that go on for ever", "POST", rotate, `{"endAfterSeconds": 9223372036854775807}`, "2592000"},
		{"that go on for a while", "POST", rotate, `{"endAfterSeconds": "a while"}`, "endAfterSeconds can't be a string"},
		{"revoked with a body", "DELETE", "/millrace/v1/keys/" + k.id, `{"when": "never"}`, "takes no body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := desk.send(t, tt.method, tt.path, []byte(tt.body))
			text, err := json.Marshal(a.Body)
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != 400 || !strings.Contains(strings.ReplaceAll(string(text), `\"`, `"`), tt.want) {
				t.Errorf("got %+v, want it to tell %q", a, tt.want)
			}
		})
	}
	for _, id := range []string{accessKey, "AKIAIOSFODNN7EXAMPLE", "MILLRACEAAAAAAAAAAAA", "%2e%2e"} {
		for _, ask := range []string{"DELETE /millrace/v1/keys/" + id, "POST /millrace/v1/keys/" + id + "/rotate"} {
			method, path, _ := strings.Cut(ask, " ")
			if a := desk.send(t, method, path, nil); a.Status != 404 {
				t.Errorf("%s: %+v", ask, a)
			}
		}
	}
	if keys := desk.listed(t); len(keys) != 1 {
		t.Errorf("listed %v", keys)
	}
}

// Whoever can write to the table, but not seal, must not become an admin.
func TestAccessKeys_CannotBeChangedInTheTable(t *testing.T) {
	captureLog(t)
	desk := openFrontDesk(t)
	k, other := desk.issue(t, accesskey.ReadOnly), desk.issue(t, accesskey.Admin)
	mine, err := desk.records.AccessKey(t.Context(), k.id)
	if err != nil {
		t.Fatal(err)
	}
	raised, moved := mine, mine
	raised.Role = accesskey.Admin
	moved.ID = other.id
	for _, forged := range []accesskey.Key{raised, moved} {
		if err := desk.records.RemoveAccessKey(t.Context(), forged.ID); err != nil {
			t.Fatal(err)
		}
		if err := desk.records.AddAccessKey(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
		if a := desk.call(t, issuedKey{forged.ID, k.secret}, "GET", "/v1/clusters"); a.Status != 500 {
			t.Errorf("%s as %s: %+v", forged.ID, forged.Role, a)
		}
	}
}

func TestAccessKeys_CannotBeUsedWhileTheirSecretsCannotBeRead(t *testing.T) {
	captureLog(t)
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.ReadOnly)
	desk.seal.broken = fault.New(fault.Unavailable, "the key service did not answer")
	if a := desk.call(t, k, "GET", "/v1/clusters"); a.Status != 503 {
		t.Errorf("got %+v", a)
	}
	if a := desk.send(t, "POST", "/millrace/v1/keys", []byte(`{"role": "admin"}`)); a.Status != 503 {
		t.Errorf("issued %+v", a)
	}
	if keys := desk.listed(t); len(keys) != 1 {
		t.Errorf("listed %v", keys)
	}
	desk.seal.broken = nil
	if a := desk.call(t, k, "GET", "/v1/clusters"); a.Status != 200 {
		t.Errorf("afterwards: %+v", a)
	}
}

func TestAccessKeys_AreIssuedByAnAPIThatHasNoRootKey(t *testing.T) {
	desk := openFrontDesk(t)
	k := desk.issue(t, accesskey.Admin)
	desk.deps.RootKey = nil
	desk.listen(t)
	if _, err := desk.as(k).ListClusters(t.Context(), &kafka.ListClustersInput{}); err != nil {
		t.Error(err)
	}
	_, err := desk.as(issuedKey{accessKey, secretKey}).ListClusters(t.Context(), &kafka.ListClustersInput{})
	refused(t, err, "UnauthorizedException", "not known")
}

func TestCreate_RefusesTypesThatHostsOfOneArchitectureCannotHave(t *testing.T) {
	desk := openFrontDesk(t)
	desk.deps.HostArchitecture = "arm64"
	desk.listen(t)
	ask := func(instanceType, version string) error {
		p := threeBrokers()
		p.KafkaVersion = &version
		p.BrokerNodeGroupInfo.InstanceType = &instanceType
		_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: aws.String("orders"), Provisioned: &p})
		return err
	}
	for _, tt := range []struct{ asked, version, instead string }{
		{"kafka.m5.large", "4.1.x.kraft", "Use kafka.m7g.large."},
		{"kafka.m5.4xlarge", "4.1.x.kraft", "Use kafka.m7g.4xlarge."},
		{"kafka.m5.24xlarge", "4.1.x.kraft", "Use kafka.m7g.16xlarge."},
		{"kafka.t3.small", "3.9.x", "Use kafka.m7g.large."},
	} {
		err := ask(tt.asked, tt.version)
		refused(t, err, "BadRequestException", tt.instead)
		refused(t, err, "BadRequestException", tt.asked)
	}
	if err := ask("kafka.m7g.large", "4.1.x.kraft"); err != nil {
		t.Error(err)
	}
	if got := desk.workflows.started; len(got) != 1 {
		t.Errorf("started %v", got)
	}
}
