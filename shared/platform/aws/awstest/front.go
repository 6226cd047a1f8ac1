package awstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"
)

// front stands before moto and gives DynamoDB's transactions what they promise and moto's lack. They are isolated (a
// transaction of moto's that fails puts all tables back to what they were at its start, whatever others have written since),
// and one that comes again under the token of one that happened is answered and not done again.
type front struct {
	moto *httputil.ReverseProxy

	mu   sync.Mutex
	done map[string]transaction // by who did it and the token
}

type transaction struct{ request, answer []byte }

// putFront serves moto through a front for as long as the process lives.
func putFront(moto string) (endpoint string, err error) {
	target, err := url.Parse(moto)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it takes no time
	if err != nil {
		return "", err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // moto tells some services by it
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("X-Amz-Crc32") // moto's is always 0, and the SDK complains of each
			return nil
		},
	}
	server := &http.Server{
		Handler:           &front{moto: proxy, done: map[string]transaction{}},
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !strings.HasPrefix(service, "DynamoDB_") {
		f.moto.ServeHTTP(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if operation != "TransactWriteItems" {
		f.moto.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.transact(w, r, body)
}

// sameJSON tells whether two documents say the same: the SDK writes the members of a map in any order.
func sameJSON(a, b []byte) bool {
	var one, other any
	return json.Unmarshal(a, &one) == nil && json.Unmarshal(b, &other) == nil && reflect.DeepEqual(one, other)
}

// transact does a transaction once for each token. Without one it is done each time.
func (f *front) transact(w http.ResponseWriter, r *http.Request, body []byte) {
	var request struct{ ClientRequestToken string }
	if err := json.Unmarshal(body, &request); err != nil || request.ClientRequestToken == "" {
		f.moto.ServeHTTP(w, r)
		return
	}
	_, who, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	who, _, _ = strings.Cut(who, "/")
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	before, happened := f.done[who+" "+request.ClientRequestToken]
	switch {
	case happened && sameJSON(before.request, body):
		_, _ = w.Write(before.answer)
		return
	case happened:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",`+
			`"message":"another transaction had this token"}`)
		return
	}
	answer := httptest.NewRecorder()
	f.moto.ServeHTTP(answer, r)
	if answer.Code == http.StatusOK {
		f.done[who+" "+request.ClientRequestToken] = transaction{body, answer.Body.Bytes()}
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
