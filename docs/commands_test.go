package docs

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"gopkg.in/yaml.v3"

	"github.com/restock-dev/restock/internal/provision"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// checked are the pages whose commands are checked here, and how many each has at least; those
// of restock are checked beside the command itself.
var checked = map[string]int{"deploy.md": 60, "operations.md": 12}

// shell returns the lines of the sh blocks of a page.
func shell(text string) (lines []string) {
	for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// template is what of template.yaml pages speak of.
type template struct {
	Parameters map[string]struct {
		AllowedValues []string `yaml:"AllowedValues"`
	} `yaml:"Parameters"`
	Outputs   map[string]any `yaml:"Outputs"`
	Resources map[string]any `yaml:"Resources"`
}

// readTemplate reads both templates as one.
func readTemplate(t *testing.T) (tpl template) {
	t.Helper()
	for _, path := range []string{"../provisioning/template.yaml", "../template.yaml"} {
		if err := yaml.Unmarshal([]byte(read(t, path)), &tpl); err != nil || len(tpl.Outputs) == 0 {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return tpl
}

func TestCommands(t *testing.T) {
	tpl := readTemplate(t)
	config := read(t, "../samconfig.toml")
	makefile := read(t, "../Makefile")
	for page, least := range checked {
		text := read(t, page)
		lines := shell(text)
		if len(lines) < least {
			t.Errorf("%s has %d commands", page, len(lines))
		}
		for _, line := range lines {
			words := split(line)
			if words[0] == "CGO_ENABLED=0" {
				words = words[1:]
			}
			switch words[0] {
			case "aws":
				checkAWS(t, words[1:])
			case "sam":
				checkSAM(t, &tpl, config+text, words[1:]) // a page may add to samconfig.toml
			case "make":
				if len(words) != 2 || !strings.Contains(makefile, "\n"+words[1]+":") {
					t.Errorf("%s: there is no such target", line)
				}
			case ".ci/sam-build":
				if _, err := os.Stat("../" + words[0]); err != nil || len(words) != 2 || !slices.Contains(tpl.Parameters["Architecture"].AllowedValues, words[1]) {
					t.Errorf("%s: there is no such script, or no such architecture: %v", line, err)
				}
			case "echo": // a header for curl, without the token being among its arguments
				checkCancel(t, line)
			case "curl":
				if words[len(words)-1] != provision.RootCA {
					t.Errorf("%s: the root certificate is at %s", line, provision.RootCA)
				}
			case "restock", "git", "mosquitto_rr", "cd", "export", "umask", "install", "rm":
			default:
				t.Errorf("%s: nobody checks this command", line)
			}
		}
	}
}

// split takes a line apart as a shell does, as far as the pages go.
func split(line string) []string {
	words := regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1)
	for i := range words {
		words[i] = strings.Trim(words[i], `'"`)
	}
	return words
}

// checkCancel sends to the sandbox what a line sends to DRS by curl.
func checkCancel(t *testing.T, line string) {
	t.Helper()
	words := split(line)
	address, err := url.Parse(words[len(words)-1])
	if err != nil || "https://"+address.Host != drs.DefaultURL {
		t.Errorf("%s: DRS is at %s: %v", line, drs.DefaultURL, err)
		return
	}
	box, err := drstest.New(drstest.Options{Authorize: func(string) (drstest.Device, bool) {
		return drstest.Device{Model: "ACME-VAC-1", Serial: "SN0001", CustomerID: "amzn1.account.EXAMPLE", Test: true}, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), words[slices.Index(words, "-X")+1], address.Path, nil)
	req.Header.Set("Authorization", "Bearer Atza|EXAMPLE")
	for i, word := range words {
		if name, value, ok := strings.Cut(word, ": "); ok && words[i-1] == "-H" {
			req.Header.Set(name, value)
		}
	}
	res := httptest.NewRecorder()
	if box.ServeHTTP(res, req); res.Code != 200 {
		t.Errorf("%s: DRS answers %d %s", line, res.Code, res.Body)
	}
}

// inputs are what the calls behind the AWS command line take.
var inputs = map[string]any{
	"cloudformation describe-stack-resource": cloudformation.DescribeStackResourceInput{},
	"cloudwatch set-alarm-state":             struct{ AlarmName, StateValue, StateReason string }{},
	"cloudformation describe-stacks":         cloudformation.DescribeStacksInput{},
	"dynamodb update-table":                  dynamodb.UpdateTableInput{},
	"dynamodb delete-table":                  dynamodb.DeleteTableInput{},
	"dynamodb get-item":                      dynamodb.GetItemInput{},
	"dynamodb put-item":                      dynamodb.PutItemInput{},
	"dynamodb wait":                          dynamodb.DescribeTableInput{},

	"dynamodb restore-table-to-point-in-time": dynamodb.RestoreTableToPointInTimeInput{},

	"iot attach-policy":               iot.AttachPolicyInput{},
	"iot delete-certificate":          iot.DeleteCertificateInput{},
	"iot describe-endpoint":           iot.DescribeEndpointInput{},
	"iot detach-policy":               iot.DetachPolicyInput{},
	"iot update-certificate":          iot.UpdateCertificateInput{},
	"iot create-keys-and-certificate": iot.CreateKeysAndCertificateInput{},
	"iot create-thing":                iot.CreateThingInput{},
	"lambda get-account-settings":     lambda.GetAccountSettingsInput{},
	"secretsmanager get-secret-value": secretsmanager.GetSecretValueInput{},
	"secretsmanager put-secret-value": secretsmanager.PutSecretValueInput{},
	"secretsmanager delete-secret":    secretsmanager.DeleteSecretInput{},
	"sqs purge-queue":                 sqs.PurgeQueueInput{},
	"sts get-caller-identity":         struct{}{},
}

// general are flags of the AWS command line itself; the last two say where it writes what it got.
var general = []string{"region", "profile", "output", "query", "certificate-pem-outfile", "private-key-outfile"}

// checkAWS holds the flags of an AWS command against the members of its call.
func checkAWS(t *testing.T, words []string) {
	t.Helper()
	call := strings.Join(words[:2], " ")
	input, ok := inputs[call]
	if !ok {
		t.Errorf("aws %s: nobody knows this call", call)
		return
	}
	for _, word := range words[2:] {
		flag, ok := strings.CutPrefix(word, "--")
		if !ok || slices.Contains(general, flag) {
			continue
		}
		_, known := reflect.TypeOf(input).FieldByNameFunc(func(name string) bool {
			return strings.EqualFold(name, strings.ReplaceAll(strings.TrimPrefix(flag, "no-"), "-", ""))
		})
		if !known {
			t.Errorf("aws %s has no flag --%s", call, flag)
		}
	}
}

// flags are those of the SAM CLI that pages use.
var flags = map[string][]string{
	"validate": {"--lint"},
	"build":    {"--template-file", "--build-dir"},
	"deploy":   {"--config-env", "--parameter-overrides", "--template-file", "--stack-name"},
	"logs":     {"--stack-name", "--config-env", "--name", "--tail"},
	"delete":   {"--stack-name", "--config-env"},
}

func checkSAM(t *testing.T, tpl *template, config string, words []string) {
	t.Helper()
	line := "sam " + strings.Join(words, " ")
	known, ok := flags[words[0]]
	if !ok {
		t.Errorf("%s: nobody knows this command", line)
	}
	flag := ""
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "--") {
			if flag = word; !slices.Contains(known, word) {
				t.Errorf("%s: nobody knows %s", line, word)
			}
			continue
		}
		switch flag {
		case "--config-env":
			if !strings.Contains(config, "["+word+".deploy.parameters]") {
				t.Errorf("%s: samconfig.toml has no %s", line, word)
			}
		case "--stack-name":
			if !strings.Contains(config, `stack_name = "`+word+`"`) && word != "restock-provisioning" {
				t.Errorf("%s: samconfig.toml has no stack %s", line, word)
			}
		case "--name":
			if _, ok := tpl.Resources[word]; !ok {
				t.Errorf("%s: the template has no %s", line, word)
			}
		case "--parameter-overrides":
			checkParameter(t, tpl, line, word)
		}
	}
}

func checkParameter(t *testing.T, tpl *template, where, word string) {
	t.Helper()
	name, value, _ := strings.Cut(word, "=")
	p, ok := tpl.Parameters[name]
	if !ok {
		t.Errorf("%s: the template has no parameter %s", where, name)
	}
	if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, value) {
		t.Errorf("%s: %s takes %v", where, name, p.AllowedValues)
	}
}

// What a page calls a parameter or an output is one of the template.
func TestNames(t *testing.T) {
	tpl := readTemplate(t)
	const page = "deploy.md" // operations.md is held against the template beside the functions
	text := read(t, page)
	outputs := regexp.MustCompile("(?i)outputs?\\s+`([A-Za-z]+)`").FindAllStringSubmatch(text, -1)
	parameters := regexp.MustCompile("(?:`|\")([A-Z][A-Za-z]+=[a-z0-9-]+)(?:`|\")").FindAllStringSubmatch(text, -1)
	if len(outputs) < 8 || len(parameters) < 5 {
		t.Errorf("%s names %d outputs and %d parameters", page, len(outputs), len(parameters))
	}
	for _, m := range outputs {
		if _, ok := tpl.Outputs[m[1]]; !ok {
			t.Errorf("%s: the template has no output %s", page, m[1])
		}
	}
	for _, m := range parameters {
		checkParameter(t, &tpl, page, m[1])
	}
	for _, row := range rows(text, "parameter | say") {
		if _, ok := tpl.Parameters[strings.Trim(row[0], "`")]; !ok {
			t.Errorf("%s: the template has no parameter %s", page, row[0])
		}
	}
	for _, name := range regexp.MustCompile("`([A-Z][a-z]+[A-Z][A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
		_, parameter := tpl.Parameters[name[1]]
		_, output := tpl.Outputs[name[1]]
		_, resource := tpl.Resources[name[1]]
		if !parameter && !output && !resource && !slices.Contains([]string{"OrderPlaced", "ItemShipped", "DeviceModel", "SerialNumber"}, name[1]) {
			t.Errorf("%s: %s is no parameter, output or resource", page, name[1])
		}
	}
}

// Whoever follows deploy.md from top to bottom has what each step needs when they come to it.
func TestOrder(t *testing.T) {
	text := read(t, "deploy.md")
	for _, tt := range []struct{ needed, before string }{
		{`export PATH="$PWD/bin:$PATH"`, "\nrestock "},
		{"\nmake build\n", "\nexport PATH="},
		{"\ngit clone ", "\nmake build\n"},
		{"\ngit switch -c ours\n", "| parameter | say |"},
		{"| parameter | say |", "\nsam deploy\n"},
		{"`KmsKeyArn`", "\nsam deploy\n"},
		{"\ngit commit ", "\nsam deploy\n"},
		{"install -m 600 /dev/null lwa.json", "file://lwa.json"},
		{"file://lwa.json", "rm lwa.json"},
		{"`CallbackUrl`", "`PairingPage`"},
	} {
		needed, before := strings.Index(text, tt.needed), strings.Index(text, tt.before)
		if needed < 0 || before < 0 || needed > before {
			t.Errorf("deploy.md has %q at %d, and what needs it, %q, at %d", tt.needed, needed, tt.before, before)
		}
	}
}

// A deployment ships what was built last, whenever that was.
func TestBuiltBefore(t *testing.T) {
	for page := range checked {
		for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllStringSubmatch(read(t, page), -1) {
			before, _, deploys := strings.Cut(block[1], "sam deploy")
			if deploys && !strings.Contains(before, "make sam-build\n") && !strings.Contains(before, "sam build ") {
				t.Errorf("%s: deployed without a build:\n%s", page, block[1])
			}
		}
	}
}

// A command that AWS answers with a private key must not print it.
func TestKeysUnprinted(t *testing.T) {
	for page := range checked {
		for _, line := range shell(read(t, page)) {
			if strings.Contains(line, "create-keys-and-certificate") && !strings.Contains(line, "--query certificateArn ") {
				t.Errorf("%s: this prints the private key: %s", page, line)
			}
		}
	}
}

// Files that pages have somebody write secrets into are none that Git would add.
func TestSecretFilesIgnored(t *testing.T) {
	ignored := strings.Fields(read(t, "../.gitignore"))
	found := 0
	for page := range checked {
		for _, m := range regexp.MustCompile(`(?:>|file://|pem-outfile )([a-z]+\.(?:json|crt|key))\b`).FindAllStringSubmatch(strings.Join(shell(read(t, page)), "\n"), -1) {
			found++
			base, _, _ := strings.Cut(m[1], ".")
			if !slices.ContainsFunc([]string{m[1], "/" + m[1], "/" + base + ".*"}, func(line string) bool { return slices.Contains(ignored, line) }) {
				t.Errorf("%s: Git would add %s", page, m[1])
			}
		}
	}
	if found < 6 {
		t.Errorf("%d files were found", found)
	}
}

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range append(pages, "../README.md") {
		text := read(t, page)
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := text
			if path != "" {
				full := filepath.Join(filepath.Dir(page), path)
				info, err := os.Stat(full)
				if err != nil {
					t.Errorf("%s: %s leads nowhere", page, m[1])
					continue
				}
				if anchor == "" || info.IsDir() {
					continue
				}
				target = read(t, full)
			}
			if !slices.Contains(anchors(target), anchor) {
				t.Errorf("%s: %s has no such heading", page, m[1])
			}
		}
	}
}

// anchors returns what GitHub makes of a page's headings.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}
