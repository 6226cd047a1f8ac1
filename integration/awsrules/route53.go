package awsrules

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// route53 carries a call of Route 53 out. A record is deleted only as it is: moto deletes what has ever been there, and
// refuses the rest with a code of its own.
func (r *Rules) route53(ctx context.Context, q request) (answer, error) {
	switch q.Action {
	case "ChangeResourceRecordSets":
	case "GetChange":
		return r.nameChange(ctx, q)
	default:
		return r.forward(ctx, q)
	}
	root, err := parseXML(q.body)
	if err != nil {
		return answer{}, err
	}
	var problems []string
	for _, change := range root.child("ChangeBatch", "Changes").all() {
		if change.at("Action") != "DELETE" {
			continue
		}
		doomed := change.child("ResourceRecordSet")
		there, err := r.record(ctx, q, doomed)
		if err != nil {
			return answer{}, err
		}
		switch name := fmt.Sprintf("[name='%s', type='%s']", doomed.at("Name"), doomed.at("Type")); {
		case there == nil:
			problems = append(problems, "Tried to delete resource record set "+name+" but it was not found")
		case !sameRecord(there, doomed):
			problems = append(problems, "Tried to delete resource record set "+name+" but the values provided do not match the current values")
		}
	}
	if len(problems) == 0 {
		return r.forward(ctx, q)
	}
	var body strings.Builder
	body.WriteString(`<InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages>`)
	for _, p := range problems {
		body.WriteString("<Message>" + escaped(p) + "</Message>")
	}
	body.WriteString("</Messages><RequestId>" + requestID + "</RequestId></InvalidChangeBatch>")
	return answer{http.StatusBadRequest, http.Header{"Content-Type": {"text/xml"}}, []byte(body.String())}, nil
}

// nameChange tells how far a change of names is. It is pending for as many looks as a new thing of EC2's is overlooked; moto
// has every change in sync at once, and gives all the same id.
func (r *Rules) nameChange(ctx context.Context, q request) (answer, error) {
	a, err := r.forward(ctx, q)
	if err != nil {
		return a, err
	}
	r.ec2.mu.Lock()
	pending := r.ec2.config.UnseenFor
	r.ec2.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks >= pending {
		return a, nil
	}
	r.looks++
	a.body = bytes.Replace(a.body, []byte("INSYNC"), []byte("PENDING"), 1)
	return a, nil
}

// record gives the record of a name and type that is there; nil when there is none.
func (r *Rules) record(ctx context.Context, q request, like *element) (*element, error) {
	name := strings.TrimSuffix(like.at("Name"), ".")
	q.Method, q.body = http.MethodGet, nil
	q.target = q.Path + "?" + url.Values{"name": {name}, "type": {like.at("Type")}}.Encode()
	a, err := r.forward(ctx, q)
	if err != nil {
		return nil, err
	}
	root, err := parseXML(a.body)
	if err != nil {
		return nil, err
	}
	for _, set := range root.child("ResourceRecordSets").all() {
		if strings.TrimSuffix(set.at("Name"), ".") == name && set.at("Type") == like.at("Type") {
			return set, nil
		}
	}
	return nil, nil
}

func sameRecord(a, b *element) bool {
	value := func(e *element) string { return e.at("ResourceRecords", "ResourceRecord", "Value") }
	return a.at("TTL") == b.at("TTL") && value(a) == value(b)
}
