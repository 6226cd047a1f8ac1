package aws_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/fault"
	platform "github.com/millrace/millrace/shared/platform/aws"
)

// variables are those of all functions, each with a value that is right.
var variables = map[string]string{
	"AWS_REGION":                     "eu-west-1",
	"MILLRACE_DEPLOYMENT":            "millrace",
	"MILLRACE_ACCOUNT":               "123456789012",
	"MILLRACE_TABLE":                 "millrace-records",
	"MILLRACE_MACHINE_PREFIX":        "arn:aws:states:eu-west-1:123456789012:stateMachine:millrace-",
	"MILLRACE_HOST_ROLE_ID":          "AROAEXAMPLE",
	"MILLRACE_LAUNCH_TEMPLATE":       "lt-0123456789abcdef0",
	"MILLRACE_VOLUME_KEY":            "arn:aws:kms:eu-west-1:123456789012:key/volumes",
	"MILLRACE_DATA_KEY":              "arn:aws:kms:eu-west-1:123456789012:key/data",
	"MILLRACE_ZONE_ID":               "Z0123456789",
	"MILLRACE_ZONE_NAME":             "kafka.internal",
	"MILLRACE_VPC":                   "vpc-0123456789abcdef0",
	"MILLRACE_HOST_SECURITY_GROUP":   "sg-host",
	"MILLRACE_CLIENT_SECURITY_GROUP": "sg-client",
	"MILLRACE_CONTROLLERS":           "3",
	"MILLRACE_EVENT_BUS":             "millrace",
	"MILLRACE_FUNCTION_PREFIX":       "millrace-",
}

// reads has for each function how it reads its environment and which variables it needs.
var reads = []struct {
	function string
	read     func(get func(string) string) (any, error)
	needs    []string
}{
	{"api", into(platform.APIEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_MACHINE_PREFIX", "MILLRACE_HOST_ROLE_ID",
		"MILLRACE_VOLUME_KEY", "MILLRACE_DATA_KEY", "MILLRACE_VPC", "MILLRACE_CLIENT_SECURITY_GROUP", "MILLRACE_CONTROLLERS",
		"MILLRACE_FUNCTION_PREFIX",
	}},
	{"operations", into(platform.OperationsEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_MACHINE_PREFIX", "MILLRACE_HOST_ROLE_ID",
	}},
	{"provisioning", into(platform.ProvisioningEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_HOST_ROLE_ID", "MILLRACE_LAUNCH_TEMPLATE",
		"MILLRACE_VOLUME_KEY", "MILLRACE_DATA_KEY", "MILLRACE_ZONE_ID", "MILLRACE_ZONE_NAME", "MILLRACE_VPC",
		"MILLRACE_HOST_SECURITY_GROUP", "MILLRACE_CLIENT_SECURITY_GROUP",
	}},
	{"healthsweep", into(platform.HealthSweepEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_MACHINE_PREFIX", "MILLRACE_HOST_ROLE_ID",
	}},
	{"storageautoscaling", into(platform.StorageAutoscalingEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_MACHINE_PREFIX", "MILLRACE_HOST_ROLE_ID",
	}},
	{"brokerreplacement", into(platform.BrokerReplacementEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_HOST_ROLE_ID",
	}},
	{"topicadmin", into(platform.TopicAdminEnvironment), []string{
		"AWS_REGION", "MILLRACE_DEPLOYMENT", "MILLRACE_ACCOUNT", "MILLRACE_TABLE", "MILLRACE_HOST_ROLE_ID",
	}},
	{"hostevents", into(platform.HostEventsEnvironment), []string{"MILLRACE_DEPLOYMENT", "MILLRACE_EVENT_BUS"}},
}

func into[E any](read func(func(string) string) (E, error)) func(func(string) string) (any, error) {
	return func(get func(string) string) (any, error) { return read(get) }
}

func TestEnvironment_EveryVariableIsReadAndNoneMayBeMissing(t *testing.T) {
	for _, tt := range reads {
		t.Run(tt.function, func(t *testing.T) {
			asked := map[string]bool{}
			all := func(name string) string { asked[name] = true; return variables[name] }
			e, err := tt.read(all)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(asked)); !slices.Equal(got, slices.Sorted(slices.Values(tt.needs))) {
				t.Errorf("it reads %v", got)
			}
			wantFilled(t, reflect.ValueOf(e))
			for _, missing := range tt.needs {
				_, err := tt.read(func(name string) string {
					if name == missing {
						return ""
					}
					return variables[name]
				})
				if !fault.Is(err, fault.Invalid) || err.Error() != "environment: "+missing+" is not set" {
					t.Errorf("without %s: %v", missing, err)
				}
			}
			_, err = tt.read(func(string) string { return "" })
			for _, name := range tt.needs {
				if !strings.Contains(err.Error(), name+" is not set") {
					t.Errorf("without any, %s is not named: %v", name, err)
				}
			}
		})
	}
}

// wantFilled checks that every field has got a value.
func wantFilled(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Kind() == reflect.Struct:
			wantFilled(t, field)
		case field.IsZero():
			t.Errorf("%s is empty", v.Type().Field(i).Name)
		}
	}
}

func TestEnvironment_RefusesWhatCannotBeRight(t *testing.T) {
	for name, value := range map[string]string{
		"MILLRACE_ACCOUNT":               "123",
		"MILLRACE_MACHINE_PREFIX":        "millrace-",
		"MILLRACE_LAUNCH_TEMPLATE":       "hosts",
		"MILLRACE_VOLUME_KEY":            "alias/millrace",
		"MILLRACE_DATA_KEY":              "arn:aws:kms:eu-west-1:123456789012:alias/millrace",
		"MILLRACE_VPC":                   "subnet-1",
		"MILLRACE_HOST_SECURITY_GROUP":   "default",
		"MILLRACE_CLIENT_SECURITY_GROUP": "default",
		"MILLRACE_CONTROLLERS":           "2",
		"MILLRACE_FUNCTION_PREFIX":       "arn:aws:lambda:eu-west-1:123456789012:function:millrace-",
	} {
		t.Run(name, func(t *testing.T) {
			for _, tt := range reads {
				if !slices.Contains(tt.needs, name) {
					continue
				}
				_, err := tt.read(func(asked string) string {
					if asked == name {
						return value
					}
					return variables[asked]
				})
				if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), name+" is \""+value+"\"") {
					t.Errorf("functions/%s starts with %s=%s: %v", tt.function, name, value, err)
				}
			}
		})
	}
}
