package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/accesskey"
)

func (a *app) keysCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "keys",
		Short: "Issue, list, rotate and revoke access keys",
		Long: `Access keys let AWS's own clients call a control plane: the aws command line, the SDKs,
Terraform. Each has a role:

  read-only  looks, and changes nothing
  operator   may do all but what is an admin's
  admin      may also delete clusters and configurations, and look after access keys

A secret is shown once, when its key is issued, and kept encrypted. On this machine the key of
the data directory ("millrace env") is an admin's; it is neither listed nor revoked.

A control plane elsewhere is named by --endpoint URL or MILLRACE_ENDPOINT. Commands then call
with the AWS credentials that every AWS client would find (environment, profile, SSO, role):

  an access key that Millrace issued (MILLRACE…)  is checked by the control plane, by its role
  any other, so that of an IAM identity           goes by <URL>/iam/…, where IAM decides: it
                                                  takes execute-api:Invoke, by method and path

So the first key of a new deployment is issued by an IAM identity, for instance one with

  {"Effect": "Allow", "Action": "execute-api:Invoke",
   "Resource": "arn:aws:execute-api:REGION:ACCOUNT:API-ID/STAGE/*/iam/*"}

or only .../STAGE/GET/iam/* to look. The region is the one in the URL or, where that has none,
the one of the AWS configuration.`,
		Example: `  millrace keys issue --role operator --description "terraform in CI"
  millrace keys list
  millrace keys rotate MILLRACEABCDEFGHIJKL
  millrace keys revoke MILLRACEABCDEFGHIJKL
  millrace keys issue --role read-only --endpoint https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/v1`,
	}, a.issueKeyCommand(), a.listKeysCommand(), a.rotateKeyCommand(), a.revokeKeyCommand())
}

func (a *app) issueKeyCommand() *cobra.Command {
	var role, description string
	c := &cobra.Command{
		Use:   "issue",
		Short: "Issue an access key, and print its secret this once",
		Long: `Issues an access key and prints it with its secret, as lines for the environment of a shell
and for ~/.aws/credentials. Nobody can read the secret again; when it is lost, revoke the key
and issue another.`,
		Example: `  millrace keys issue --role read-only
  millrace keys issue --role operator --description "terraform in CI"
  millrace keys issue --role admin --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !accesskey.Role(role).Valid() {
				return usagef("--role is one of %s, not %q", roleNames(), role)
			}
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			key, err := plane.IssueKey(c.Context(), accesskey.Role(role), description)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(key, func(w io.Writer) error { return writeIssued(w, plane, key) })
		},
	}
	c.Flags().StringVar(&role, "role", "", "what the key may do: "+roleNames())
	c.Flags().StringVar(&description, "description", "", "what or whom the key is for")
	return c
}

func roleNames() string {
	var names []string
	for _, role := range accesskey.Roles() {
		names = append(names, string(role))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func (a *app) listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the access keys that were issued and hold",
		Example: `  millrace keys list
  millrace keys list --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			keys, err := plane.Keys(c.Context())
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(keys, func(w io.Writer) error { return writeKeys(w, keys) })
		},
	}
}

func (a *app) rotateKeyCommand() *cobra.Command {
	var now bool
	var endAfter time.Duration
	c := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Issue a key in the place of another, which ends a day later",
		Long: `Issues a key with the role and the description of another, and prints it as "issue" does. The
other goes on for a day, so that its clients can change over; then it ends by itself.`,
		Example: `  millrace keys rotate MILLRACEABCDEFGHIJKL
  millrace keys rotate MILLRACEABCDEFGHIJKL --end-after 1h
  millrace keys rotate MILLRACEABCDEFGHIJKL --now`,
		Args: oneKey,
		RunE: func(c *cobra.Command, args []string) error {
			if now && c.Flags().Changed("end-after") {
				return usagef("--now and --end-after say two things; give one of them")
			}
			if endAfter < time.Second { // the API counts seconds, so less would end it at once
				return usagef("--end-after is a second at least, not %s; --now ends the other key at once", endAfter)
			}
			if now {
				endAfter = 0
			}
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			key, err := plane.RotateKey(c.Context(), args[0], endAfter)
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(key, func(w io.Writer) error { return writeIssued(w, plane, key) })
		},
	}
	c.Flags().BoolVar(&now, "now", false, "end the other key at once")
	c.Flags().DurationVar(&endAfter, "end-after", 24*time.Hour, "how long the other key goes on, such as 90m or 72h")
	return c
}

func (a *app) revokeKeyCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "revoke KEY",
		Short: "End an access key at once",
		Long: `Ends an access key: the next request that is signed with it is refused. It asks before it
does.`,
		Example: `  millrace keys revoke MILLRACEABCDEFGHIJKL
  millrace keys revoke MILLRACEABCDEFGHIJKL --yes`,
		Args: oneKey,
		RunE: func(c *cobra.Command, args []string) error {
			plane, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			if !yes {
				if err := a.confirmRevoke(c.Context(), plane, args[0]); err != nil {
					return err
				}
			}
			key, err := plane.RevokeKey(c.Context(), args[0])
			if err != nil {
				return a.explain(plane, err)
			}
			return a.print(key, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Revoked the access key %s.\n", describeKey(key))
				return err
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// oneKey takes the id of one key. A variable of a shell that is not set would otherwise ask for a path that the API lacks.
func oneKey(c *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(c, args); err != nil {
		return err
	}
	if args[0] == "" {
		return usagef("the access key to %s is empty", c.Name())
	}
	return nil
}

func (a *app) confirmRevoke(ctx context.Context, plane connection, id string) error {
	keys, err := plane.Keys(ctx)
	if err != nil {
		return a.explain(plane, err)
	}
	for _, key := range keys {
		if key.ID != id {
			continue
		}
		sure, err := a.ask(fmt.Sprintf("This ends the access key %s for everybody who uses it.", describeKey(key)))
		if err == nil && !sure {
			err = errors.New("nothing was revoked; answer yes, or give --yes, to revoke it")
		}
		return err
	}
	return fmt.Errorf("there is no access key %s that was issued; list them with: %s", id, a.hint("keys list"))
}

func describeKey(k client.AccessKey) string {
	if k.Description == "" {
		return fmt.Sprintf("%s (%s)", k.ID, k.Role)
	}
	return fmt.Sprintf("%s (%s, %s)", k.ID, k.Role, k.Description)
}

func writeKeys(w io.Writer, keys []client.AccessKey) error {
	var rows [][]string
	for _, k := range keys {
		ends := ""
		if k.EndsAt != nil {
			ends = formatTime(*k.EndsAt)
		}
		rows = append(rows, []string{k.ID, string(k.Role), formatTime(k.CreatedAt), k.CreatedBy, ends, k.Description})
	}
	return table(w, []string{"KEY", "ROLE", "CREATED", "BY", "ENDS", "DESCRIPTION"}, rows)
}

// writeIssued writes a new key so that it can be pasted to where it is used.
func writeIssued(w io.Writer, plane connection, k client.IssuedKey) error {
	fmt.Fprintf(w, "Issued the access key %s (%s). Its secret is shown this once.\n", k.ID, k.Role)
	if old := k.Replaces; old != nil {
		fmt.Fprintf(w, "It takes the place of %s, which ends at %s.\n", old.ID, formatTime(*old.EndsAt))
	}
	fmt.Fprint(w, "\nFor a shell:\n\n")
	if err := environment(plane.Endpoint, plane.Region, k.ID, k.Secret).write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `
For ~/.aws/credentials, to be used with AWS_PROFILE=millrace:

[millrace]
aws_access_key_id = %s
aws_secret_access_key = %s

and for ~/.aws/config:

[profile millrace]
region = %s
services = millrace

[services millrace]
kafka =
  endpoint_url = %s
`, k.ID, k.Secret, plane.Region, plane.Endpoint)
	return err
}
