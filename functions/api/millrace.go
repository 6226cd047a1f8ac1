package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/mskapi"
)

// millracePrefix is where everything lives that MSK lacks, with the same authentication and the same errors:
//
//	GET    /millrace/v1/clusters                              {clusters: [clusterView]}, by name
//	GET    /millrace/v1/clusters/{arn}                        clusterView
//	GET    /millrace/v1/clusters/{arn}/ca                     {certificate}: the PEM certificate that clients of the cluster trust
//	POST   /millrace/v1/clusters/{arn}/resume                 clusterView, of a cluster whose failed create was started again
//	GET    /millrace/v1/clusters/{arn}/health                 healthView
//	GET    /millrace/v1/clusters/{arn}/heals                  {heals: [healView]}, newest first
//	POST   /millrace/v1/clusters/{arn}/heal-allowance         healthView, of {forSeconds}; 0 takes an allowance back
//	PUT    /millrace/v1/clusters/{arn}/healing                healthView, of {maxVolumeGiB}
//	POST   /millrace/v1/clusters/{arn}/maintenance            healthView, of {nodeId, forSeconds, reason}; of all nodes without nodeId
//	DELETE /millrace/v1/clusters/{arn}/maintenance            healthView, of {nodeId}
//	GET    /millrace/v1/clusters/{arn}/storage                storageView
//	PUT    /millrace/v1/clusters/{arn}/storage-autoscaling    storageView, of {targetPercent, maxGiB}
//	DELETE /millrace/v1/clusters/{arn}/storage-autoscaling    storageView
//	GET    /millrace/v1/clusters/{arn}/operations/{id}        operationView
//	GET    /millrace/v1/clusters/{arn}/topics                 topicsView
//	GET    /millrace/v1/clusters/{arn}/topics/{name}          topicDetailView
//	POST   /millrace/v1/clusters/{arn}/topic-plan             planView, of {topics, delete, discard}
//	POST   /millrace/v1/clusters/{arn}/topic-apply            applicationView, of {topics, delete, discard}
//	GET    /millrace/v1/clusters/{arn}/topic-declaration      declarationView, of what was applied last
//	GET    /millrace/v1/clusters/{arn}/groups                 {groups: [groupSummaryView]}, by id
//	GET    /millrace/v1/clusters/{arn}/groups/{id}            groupView; the id is the rest of the path, whatever it holds
//	DELETE /millrace/v1/clusters/{arn}/groups/{id}            deletedGroupView
//	POST   /millrace/v1/clusters/{arn}/group-offsets          offsetChangesView, of {group, topic, partitions, to, dryRun}
//	DELETE /millrace/v1/clusters/{arn}/group-offsets          offsetChangesView, of {group, topic, partitions, dryRun}
//	GET    /millrace/v1/keys                                  {keys: [accessKeyView]}, oldest first
//	POST   /millrace/v1/keys                                  issuedView, of {role, description}
//	DELETE /millrace/v1/keys/{id}                             accessKeyView, of a key that holds no more
//	POST   /millrace/v1/keys/{id}/rotate                      issuedView, of {endAfterSeconds}
const millracePrefix = "/millrace/v1/"

// millraceRoutes match the decoded path, and name the role that each takes. The longer come first, because an ARN may hold
// anything until it is parsed; and before all of them those of a group, whose id may end as any other path does.
var millraceRoutes = []struct {
	name   string
	role   accesskey.Role
	method string
	path   *regexp.Regexp
	answer millraceAnswer
}{
	{"MillraceListClusters", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters()$`), plain((*API).viewClusters)},
	{"MillraceDescribeGroup", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/groups/(.+)$`), ofPart((*API).viewGroup)},
	{"MillraceDeleteGroup", operator, http.MethodDelete, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/groups/(.+)$`), ofPart((*API).deleteGroup)},
	{"MillraceDescribeAuthority", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/ca$`), plain((*API).viewAuthority)},
	{"MillraceResumeCluster", operator, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/resume$`), plain((*API).resume)},
	{"MillraceDescribeHealth", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/health$`), plain((*API).viewHealth)},
	{"MillraceListHeals", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/heals$`), plain((*API).viewHeals)},
	{"MillraceAllowHealing", operator, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/heal-allowance$`), withBody((*API).allowHealing)},
	{"MillraceLimitHealing", operator, http.MethodPut, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/healing$`), withBody((*API).limitHealing)},
	{"MillraceBeginMaintenance", operator, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/maintenance$`), withBody((*API).beginMaintenance)},
	{"MillraceEndMaintenance", operator, http.MethodDelete, regexp.MustCompile(`^/millrace/v1/clusters/(.+)/maintenance$`), withBody((*API).endMaintenance)},
	{"MillraceDescribeStorage", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/storage$`), plain((*API).viewStorage)},
	{"MillracePutStorageAutoscaling", operator, http.MethodPut, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/storage-autoscaling$`), withBody((*API).putStorageAutoscaling)},
	{"MillraceDeleteStorageAutoscaling", operator, http.MethodDelete, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/storage-autoscaling$`), ofPart((*API).deleteStorageAutoscaling)},
	{"MillraceDescribeOperation", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/operations/([^/]+)$`), ofPart((*API).viewOneOperation)},
	{"MillraceListTopics", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/topics$`), plain((*API).viewTopics)},
	{"MillraceDescribeTopic", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/topics/(.+)$`), ofPart((*API).viewTopic)},
	{"MillracePlanTopics", readOnly, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/topic-plan$`), withBody((*API).planTopics)},
	{"MillraceApplyTopics", operator, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/topic-apply$`), withBody((*API).applyTopics)},
	{"MillraceDescribeDeclaration", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/topic-declaration$`), plain((*API).viewApplied)},
	{"MillraceListGroups", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/groups$`), plain((*API).viewGroups)},
	{"MillraceResetOffsets", readOnly, http.MethodPost, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/group-offsets$`), withBody((*API).resetOffsets)},
	{"MillraceDeleteOffsets", readOnly, http.MethodDelete, regexp.MustCompile(`^/millrace/v1/clusters/` + anARN + `/group-offsets$`), withBody((*API).deleteOffsets)},
	{"MillraceDescribeCluster", readOnly, http.MethodGet, regexp.MustCompile(`^/millrace/v1/clusters/(.+)$`), plain((*API).viewCluster)},
	{"MillraceListKeys", admin, http.MethodGet, regexp.MustCompile(`^/millrace/v1/keys()$`), plain((*API).viewKeys)},
	{"MillraceIssueKey", admin, http.MethodPost, regexp.MustCompile(`^/millrace/v1/keys()$`), withBody((*API).issueKey)},
	{"MillraceRotateKey", admin, http.MethodPost, regexp.MustCompile(`^/millrace/v1/keys/([^/]+)/rotate$`), withBody((*API).rotateKey)},
	{"MillraceRevokeKey", admin, http.MethodDelete, regexp.MustCompile(`^/millrace/v1/keys/([^/]+)$`), plain((*API).revokeKey)},
}

// anARN matches the ARN of a cluster where something else comes after it that may hold anything, slashes as well.
const anARN = `(arn:[^/]*/[^/]+/[^/]+)`

// millraceAnswer answers a request about what its path names: mostly one thing, or else a thing and a part of it.
type millraceAnswer func(a *API, ctx context.Context, named []string, body []byte) (any, error)

// plain makes an answer of a function that takes nothing but what the path names.
func plain(f func(a *API, ctx context.Context, named string) (any, error)) millraceAnswer {
	return ofPart(func(a *API, ctx context.Context, named, _ string) (any, error) { return f(a, ctx, named) })
}

// ofPart is plain for what is about a part of what the path names first.
func ofPart(f func(a *API, ctx context.Context, named, part string) (any, error)) millraceAnswer {
	return func(a *API, ctx context.Context, named []string, body []byte) (any, error) {
		if len(body) > 0 {
			return nil, mskapi.BadRequest("", "This request takes no body.")
		}
		return f(a, ctx, named[0], strings.Join(named[1:], ""))
	}
}

// withBody makes an answer of a function that takes a JSON object as well. A member that it does not know is refused, since
// nothing requested is dropped; no body is an empty object.
func withBody[In any](f func(a *API, ctx context.Context, named string, in In) (any, error)) millraceAnswer {
	return func(a *API, ctx context.Context, named []string, body []byte) (any, error) {
		var in In
		if len(body) > 0 {
			decoder := json.NewDecoder(bytes.NewReader(body))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&in); err != nil {
				return nil, notTaken(err)
			}
			if decoder.More() {
				return nil, mskapi.BadRequest("", "The request body goes on after its JSON object.")
			}
		}
		return f(a, ctx, named[0], in)
	}
}

// notTaken says what is wrong with a body, in the words of who wrote it.
func notTaken(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return mskapi.BadRequest(wireName(wrong.Field), "%s can't be a %s.", cmp.Or(wireName(wrong.Field), "The request body"), wrong.Value)
	}
	return mskapi.BadRequest("", "The request body is not what this request takes: %s.", strings.TrimPrefix(err.Error(), "json: "))
}

func (a *API) serveMillrace(ctx context.Context, c *call, r mskapi.Request) (mskapi.Response, error) {
	path, err := url.PathUnescape(r.Path)
	if err != nil {
		return mskapi.Response{}, mskapi.BadRequest("", "The path is not valid percent-encoding.")
	}
	for _, route := range millraceRoutes {
		match := route.path.FindStringSubmatch(path)
		if match == nil || route.method != r.Method {
			continue
		}
		c.operation = mskapi.Operation{Name: route.name, ModelsNotFound: true}
		if err := c.caller.may(route.name, route.role); err != nil {
			return mskapi.Response{}, err
		}
		answer, err := route.answer(a, ctx, match[1:], r.Body)
		if err != nil {
			return mskapi.Response{}, err
		}
		return mskapi.JSON(http.StatusOK, r.RequestID, answer)
	}
	return mskapi.Response{}, mskapi.BadRequest("", "%s %s is not an operation of this API.", r.Method, path)
}

// The views are written as MSK's own types are: the member names are the Go names with a lower first letter, which is
// why they say Arn and Id here, and what is not set is left out.

// clusterView is a cluster with everything a person wants to know when it is not ACTIVE.
type clusterView struct {
	Name         string
	Arn          string
	State        cluster.State
	Failure      *failureView // why it is FAILED
	Version      string       // MSK's currentVersion
	KafkaVersion string
	InstanceType string // of the brokers, by MSK's name
	VolumeGiB    int    // of each broker
	InCluster    bool   // whether brokers talk to each other over TLS
	CreatedAt    time.Time
	Nodes        []nodeView // brokers first
	// Breaker and Maintenance are as in healthView.
	Breaker     string
	Maintenance []maintenanceView
	// Operation is the one that holds the cluster or, when none does, the last one that has.
	Operation *operationView
	// Growing is the operation that changes volumes; left out when none does. It does not hold the cluster.
	Growing *operationView
	// Applying is the operation that makes topics as they are declared; left out when none does. It does not hold the cluster.
	Applying *operationView
}

type failureView struct {
	Code    string
	Message string
}

type nodeView struct {
	Id      int32
	Role    cluster.Role
	Zone    string
	Address string // what clients connect to, without a port
	Host    string // what serves the node now
	// State is "planned" before there is a host and "launched" before its first heartbeat. After that it is what the agent
	// on the host says, and Reason is what the node waits for or fails of.
	State  string
	Reason string
	SeenAt *time.Time // of the last heartbeat
	// Health is what the last look at the node gave; left out while nobody has looked.
	Health *findingView
}

type operationView struct {
	Id        string
	Arn       string
	Type      cluster.OperationType
	State     cluster.OperationState
	Attempt   int
	Percent   int
	StartedAt time.Time
	EndedAt   *time.Time
	Failure   *failureView
	Steps     []stepView
}

type stepView struct {
	Name    string
	Status  cluster.StepStatus
	Percent int
	Detail  string // what the step waits for, or why it failed
}

type clustersView struct{ Clusters []clusterView }

func (a *API) viewClusters(ctx context.Context, _ string) (any, error) {
	all, err := a.Records.AllClusters(ctx)
	if err != nil {
		return nil, err
	}
	views, err := convert(all, func(c cluster.Cluster) (clusterView, error) { return a.view(ctx, c) })
	return clustersView{views}, err
}

func (a *API) viewCluster(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	return a.view(ctx, c)
}

func (a *API) view(ctx context.Context, c cluster.Cluster) (clusterView, error) {
	view := clusterView{
		Name:         c.Name,
		Arn:          c.ARN,
		State:        c.State(),
		Failure:      viewFailure(c.Failure),
		Version:      c.Version,
		KafkaVersion: c.Spec.KafkaVersion,
		InstanceType: c.Spec.InstanceType,
		VolumeGiB:    c.Spec.VolumeGiB,
		InCluster:    c.Spec.InCluster,
		CreatedAt:    c.CreatedAt,
		Maintenance:  viewMaintenance(c, a.Now()),
	}
	h, err := a.lastLook(ctx, c.ID)
	if err != nil {
		return view, err
	}
	view.Breaker = h.Breaker
	if view.Nodes, err = a.viewNodes(ctx, c, h); err != nil {
		return view, err
	}
	operations, err := a.allOperations(ctx, c.ID)
	if err != nil {
		return view, err
	}
	for _, op := range operations {
		if op.Type.HoldsCluster() && (c.Active == nil || c.Active.ID == op.ID) {
			view.Operation = viewOperation(op) // the last one that matches
		}
		if c.Growing != nil && c.Growing.ID == op.ID {
			view.Growing = viewOperation(op)
		}
		if c.Applying != nil && c.Applying.ID == op.ID {
			view.Applying = viewOperation(op)
		}
	}
	return view, nil
}

func (a *API) viewNodes(ctx context.Context, c cluster.Cluster, h cluster.Health) ([]nodeView, error) {
	nodes, err := a.Records.Nodes(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return convert(nodes, func(n cluster.Node) (nodeView, error) {
		view, err := a.viewNode(ctx, n)
		if f, ok := h.Of(n.ID); ok {
			view.Health = viewFinding(f)
		}
		return view, err
	})
}

func (a *API) viewNode(ctx context.Context, n cluster.Node) (nodeView, error) {
	view := nodeView{Id: n.ID, Role: n.Role, Zone: n.Rack, State: "planned"}
	if n.Address != nil {
		view.Address = n.Address.Name
	}
	if n.Host == nil {
		return view, nil
	}
	view.Host, view.State = n.Host.ID, "launched"
	beat, heard, err := a.Records.Beat(ctx, n.Host.ID)
	if err != nil || !heard {
		return view, err
	}
	view.State, view.Reason, view.SeenAt = string(beat.State), beat.Reason, &beat.At
	return view, nil
}

func viewOperation(op cluster.Operation) *operationView {
	view := &operationView{
		Id:        op.ID,
		Arn:       op.ARN,
		Type:      op.Type,
		State:     op.State,
		Attempt:   op.Attempt,
		Percent:   op.Percent(),
		StartedAt: op.CreatedAt,
		EndedAt:   endTime(op),
		Failure:   viewFailure(op.Failure),
		Steps:     []stepView{},
	}
	for _, s := range op.Steps {
		view.Steps = append(view.Steps, stepView(s))
	}
	return view
}

func viewFailure(f *cluster.Failure) *failureView {
	if f == nil {
		return nil
	}
	return &failureView{Code: f.Code, Message: f.Message}
}

type authorityView struct {
	Certificate string // PEM
}

// viewAuthority gives what a client has to trust, as soon as there is something: a cluster that speaks no TLS never has.
func (a *API) viewAuthority(ctx context.Context, arn string) (any, error) {
	c, err := a.cluster(ctx, arn)
	if err != nil {
		return nil, err
	}
	if c.Authority == "" {
		return nil, mskapi.NotFound("", "The cluster %s has no certificate authority; it is %s.", c.Name, c.State())
	}
	return authorityView{Certificate: c.Authority}, nil
}
