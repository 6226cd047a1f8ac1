package records

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// topicDrifts has an item for each cluster whose topics were compared with what is declared.
const topicDrifts = "topic-drift"

func declarationsOf(clusterID string) string  { return "declarations#" + clusterID }
func declarationKey(clusterID, id string) Key { return Key{declarationsOf(clusterID), id} }
func topicDriftKey(clusterID string) Key      { return Key{topicDrifts, clusterID} }

const (
	// maxDeclaration is how large a declaration may be once it is compressed: an item with its keys has to fit into the table.
	maxDeclaration = 380 << 10
	// keptDeclarations is how many of a cluster's declarations stay.
	keptDeclarations = 3
)

// StartApplication records a declaration of a cluster's topics together with the operation that applies it, which admit has let
// in (and has marked as what the cluster's topics follow). A declaration that is too large to be kept is Invalid.
//
// The latest declarations of a cluster stay, those before are removed.
func (r Records) StartApplication(
	ctx context.Context, clusterID string, op cluster.Operation, d cluster.Declaration, admit func(*cluster.Cluster) error,
) (cluster.Cluster, error) {
	body, err := encodeDeclaration(d)
	if err != nil {
		return cluster.Cluster{}, err
	}
	var c cluster.Cluster
	err = r.retryContended(ctx, "cluster "+clusterID, func() error {
		var revision int64
		var err error
		if c, revision, err = r.cluster(ctx, clusterID); err != nil {
			return err
		}
		before := c.Declaration
		if err := admit(&c); err != nil {
			return final{err}
		}
		beside, err := r.oldDeclarations(ctx, clusterID, before)
		if err != nil {
			return err
		}
		beside = append(beside, Write{Key: declarationKey(clusterID, d.ID), If: IfAbsent(), Body: body})
		return r.writeOperation(ctx, c, revision, op, 0, beside...)
	})
	return c, unwrapFinal(err)
}

// oldDeclarations removes what is too old to stay beside the next declaration, and never the one that holds.
func (r Records) oldDeclarations(ctx context.Context, clusterID, holds string) ([]Write, error) {
	items, err := r.Table.Query(ctx, declarationsOf(clusterID), "", "", pageSize)
	if err != nil {
		return nil, fmt.Errorf("list the declarations of cluster %s: %w", clusterID, err)
	}
	var removals []Write
	for i, item := range items {
		if len(items)-i >= keptDeclarations && item.Sort != holds {
			removals = append(removals, Write{Key: item.Key, Delete: true})
		}
	}
	return removals, nil
}

// Declaration gives a declaration of a cluster's topics by the id of the operation that applies it, or a NotFound error.
func (r Records) Declaration(ctx context.Context, clusterID, id string) (cluster.Declaration, error) {
	item, err := r.Table.Get(ctx, declarationKey(clusterID, id))
	if err != nil {
		return cluster.Declaration{}, fmt.Errorf("declaration %s of the topics of cluster %s: %w", id, clusterID, err)
	}
	d, err := decodeDeclaration(item.Body)
	if err != nil {
		return d, fmt.Errorf("decode declaration %s of the topics of cluster %s: %w", id, clusterID, err)
	}
	return d, nil
}

// DeclaredSoFar gives the topics that the next declaration of a cluster's may leave out: see [cluster.Declaration.DeclaredSoFar].
func (r Records) DeclaredSoFar(ctx context.Context, c cluster.Cluster) ([]cluster.DeclaredTopic, error) {
	if c.Declaration == "" {
		return nil, nil
	}
	d, err := r.Declaration(ctx, c.ID, c.Declaration)
	if err != nil {
		return nil, err
	}
	op, err := r.Operation(ctx, c.ID, c.Declaration)
	if err != nil {
		return nil, err
	}
	return d.DeclaredSoFar(op.State == cluster.Complete), nil
}

func encodeDeclaration(d cluster.Declaration) ([]byte, error) {
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	if err := json.NewEncoder(zip).Encode(d); err != nil {
		return nil, fmt.Errorf("encode declaration %s: %w", d.ID, err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("compress declaration %s: %w", d.ID, err)
	}
	if body.Len() > maxDeclaration {
		return nil, fault.InvalidParameter("topics", "what is declared takes %d KiB when it is compressed; %d can be kept: declare fewer topics, or less of each",
			body.Len()>>10, maxDeclaration>>10)
	}
	return slices.Clip(body.Bytes()), nil
}

func decodeDeclaration(body []byte) (cluster.Declaration, error) {
	var d cluster.Declaration
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return d, err
	}
	content, err := io.ReadAll(zip)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(content, &d)
}

// PutTopicDrift records how a cluster's topics differ from what is declared, unless somebody has looked later and said so already.
func (r Records) PutTopicDrift(ctx context.Context, clusterID string, d cluster.TopicDrift) error {
	err := r.retryContended(ctx, "the drift of topics of cluster "+clusterID, func() error {
		before, revision, err := get[cluster.TopicDrift](ctx, r.Table, topicDriftKey(clusterID))
		condition := IfRevision(revision)
		switch {
		case fault.Is(err, fault.NotFound):
			condition = IfAbsent()
		case err != nil:
			return err
		case before.At.After(d.At):
			return nil
		}
		w, err := put(topicDriftKey(clusterID), d, condition)
		if err != nil {
			return err
		}
		return r.Table.Write(ctx, w)
	})
	if err != nil {
		return fmt.Errorf("record the drift of the topics of cluster %s: %w", clusterID, err)
	}
	// Whoever forgets the cluster removes this with its name: what was written later is removed here.
	if _, err := r.Table.Get(ctx, clusterNameKey(clusterID)); fault.Is(err, fault.NotFound) {
		return r.Table.Write(ctx, Write{Key: topicDriftKey(clusterID), Delete: true})
	}
	return nil
}

// TopicDrift gives how a cluster's topics differed when somebody last looked, or a NotFound error while nobody has.
func (r Records) TopicDrift(ctx context.Context, clusterID string) (cluster.TopicDrift, error) {
	d, _, err := get[cluster.TopicDrift](ctx, r.Table, topicDriftKey(clusterID))
	if err != nil {
		return d, fmt.Errorf("drift of the topics of cluster %s: %w", clusterID, err)
	}
	return d, nil
}
