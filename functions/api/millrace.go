package api

import (
	"context"

	"github.com/millrace/millrace/shared/mskapi"
)

// millracePrefix is where everything lives that MSK lacks.
const millracePrefix = "/millrace/v1/"

func (a *API) serveMillrace(_ context.Context, _ *call, r mskapi.Request) (mskapi.Response, error) {
	return mskapi.Response{}, mskapi.BadRequest("", "%s %s is not known.", r.Method, r.Path)
}
