// Renders a Helm chart with what Helm renders with: Go's templates, Sprig's functions, sigs.k8s.io/yaml and gojsonschema. It is for
// tests of charts without dependencies on other charts, on machines that have Debian's packages and no Helm.
//
//	render CHART RELEASE NAMESPACE [VALUES.yaml] < what lookup finds, as a list of objects in JSON
//
// It renders like `helm template --namespace NAMESPACE RELEASE CHART --values VALUES.yaml`, prints a list in JSON, and fails on what does not
// fit the chart's schema, on templates that fail, and on documents that are no YAML; like `helm lint --strict`, on a value that a
// template uses and values.yaml does not have.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig"
	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

// versions is what `.Capabilities.APIVersions` is asked.
type versions map[string]bool

// Has says whether the cluster serves it.
func (served versions) Has(version string) bool { return served[version] }

func fail(format string, words ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", words...)
	os.Exit(1)
}

func read(path string, into interface{}) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		fail("%s: %v", path, err)
	}
}

// merge puts `over` into `under`: maps are merged, null removes, all else replaces.
func merge(under, over object) object {
	for name, value := range over {
		below, isBelow := under[name].(object)
		above, isAbove := value.(object)
		switch {
		case value == nil:
			delete(under, name)
		case isBelow && isAbove:
			under[name] = merge(below, above)
		default:
			under[name] = value
		}
	}
	return under
}

func check(chart string, values object) {
	schema, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		fail("%v", err)
	}
	result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(schema), gojsonschema.NewGoLoader(values))
	if err != nil {
		fail("values.schema.json: %v", err)
	}
	for _, wrong := range result.Errors() {
		fmt.Fprintf(os.Stderr, "values: %s\n", wrong)
	}
	if !result.Valid() {
		os.Exit(1)
	}
}

func functions(all *template.Template, objects []object) template.FuncMap {
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["toToml"] = func(value interface{}) (string, error) {
		var text strings.Builder
		err := toml.NewEncoder(&text).Encode(value)
		return text.String(), err
	}
	functions["include"] = func(name string, with interface{}) (string, error) {
		var text strings.Builder
		err := all.ExecuteTemplate(&text, name, with)
		return text.String(), err
	}
	functions["required"] = func(words string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return value, fmt.Errorf("%s", words)
		}
		return value, nil
	}
	functions["lookup"] = func(version, kind, namespace, name string) object {
		for _, found := range objects {
			metadata, _ := found["metadata"].(object)
			if found["apiVersion"] == version && found["kind"] == kind && metadata["namespace"] == namespace && metadata["name"] == name {
				return found
			}
		}
		return object{}
	}
	return functions
}

func main() {
	if len(os.Args) < 4 {
		fail("render CHART RELEASE NAMESPACE [VALUES.yaml]")
	}
	chart, release, namespace := os.Args[1], os.Args[2], os.Args[3]
	var description, values, over object
	read(filepath.Join(chart, "Chart.yaml"), &description)
	read(filepath.Join(chart, "values.yaml"), &values)
	if len(os.Args) > 4 {
		read(os.Args[4], &over)
	}
	values = merge(values, over)
	check(chart, values)
	var objects []object
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		fail("what lookup finds: %v", err)
	}

	all := template.New("chart").Option("missingkey=error")
	all.Funcs(functions(all, objects))
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		fail("%v", err)
	}
	sort.Strings(paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil {
			_, err = all.New(filepath.Base(path)).Parse(string(text))
		}
		if err != nil {
			fail("%s: %v", path, err)
		}
	}
	capitalized := object{}
	for name, value := range description {
		capitalized[strings.ToUpper(name[:1])+name[1:]] = value
	}
	data := object{
		"Values": values,
		"Chart":  capitalized,
		"Release": object{
			"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true, "IsUpgrade": false, "Revision": 1,
		},
		"Capabilities": object{
			"APIVersions": versions{"v1": true, "apps/v1": true, "policy/v1": true, "monitoring.coreos.com/v1": true},
		},
	}
	rendered := []object{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text bytes.Buffer
		if err := all.ExecuteTemplate(&text, name, data); err != nil {
			fail("%v", err)
		}
		// NOTES.txt is for people.
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, document := range strings.Split("\n"+text.String(), "\n---") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			var parsed object
			if err := yaml.UnmarshalStrict([]byte(document), &parsed); err != nil {
				fail("%s: %v\n%s", name, err, document)
			}
			if parsed != nil {
				rendered = append(rendered, parsed)
			}
		}
	}
	list := object{"apiVersion": "v1", "kind": "List", "items": rendered}
	if err := json.NewEncoder(os.Stdout).Encode(list); err != nil {
		fail("%v", err)
	}
}
