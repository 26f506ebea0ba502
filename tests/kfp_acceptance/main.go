// Command kfp_acceptance feeds a compiled pipeline to the code that a Kubeflow Pipelines API server runs when somebody
// creates a run or a recurring run from it, and prints the Argo workflow that would go to the cluster.
//
//	kfp_acceptance [-cron EXPRESSION] [-root URI] [-parameters JSON] PIPELINE.yaml
//	kfp_acceptance -crons < EXPRESSIONS
//
// It exits with 0 when all stages accept the pipeline, and with 1 and one line on standard error when one refuses it.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/kubeflow/pipelines/backend/src/apiserver/config/proxy"
	"github.com/kubeflow/pipelines/backend/src/apiserver/model"
	"github.com/kubeflow/pipelines/backend/src/apiserver/template"
	"github.com/kubeflow/pipelines/backend/src/common/util"
	"github.com/robfig/cron"
	"sigs.k8s.io/yaml"
)

// The API server draws a random id for every run; a fixed one keeps the output comparable.
const runID = "00000000-0000-4000-8000-000000000000"

func main() {
	expression := flag.String("cron", "0 0 2 * * *", "six fields, for the recurring run")
	root := flag.String("root", "", "pipeline root that the run names; that of the file when empty")
	parameters := flag.String("parameters", "{}", "what the run is given, as JSON")
	crons := flag.Bool("crons", false, "judge cron expressions, one a line on standard input")
	flag.Parse()
	// The compiler passes the proxies of the server on to the cluster, and wants to be told that there are none.
	proxy.InitializeConfig("", "", "")
	var err error
	switch {
	case *crons:
		err = judgeCrons(os.Stdin, os.Stdout)
	case flag.NArg() == 1:
		err = accept(flag.Arg(0), *expression, *root, *parameters)
	default:
		err = fmt.Errorf("one compiled pipeline must be given, got %d arguments", flag.NArg())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(1)
	}
}

// accept goes through the stages of the API server, then those of the driver, and tells each on standard error.
func accept(path, expression, root, parameters string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	pipeline, err := template.NewV2SpecTemplate(document, template.TemplateOptions{})
	if err != nil {
		return fmt.Errorf("template: %w", err)
	}
	passed("template", fmt.Sprintf("%s, %d tasks", pipeline.V2PipelineName(),
		len(pipeline.PipelineSpec().GetRoot().GetDag().GetTasks())))
	workflow, err := compile(pipeline, root, parameters)
	if err != nil {
		return fmt.Errorf("argocompiler: %w", err)
	}
	passed("argocompiler", fmt.Sprintf("%d Argo templates", len(workflow.Spec.Templates)))
	if err := workflow.Validate(false, false); err != nil {
		return fmt.Errorf("argo validate: %w", err)
	}
	passed("argo validate", "workflow/validate, as for a submission")
	if err := schedule(pipeline, expression, root); err != nil {
		return fmt.Errorf("recurring run: %w", err)
	}
	passed("recurring run", expression)
	count, err := executors(pipeline)
	if err != nil {
		return fmt.Errorf("executors: %w", err)
	}
	passed("executors", fmt.Sprintf("settings of %d on Kubernetes", count))
	if count, err = conditions(pipeline); err != nil {
		return fmt.Errorf("conditions: %w", err)
	}
	passed("conditions", fmt.Sprintf("%d, each true with new data and false without", count))
	text, err := yaml.Marshal(workflow.Workflow)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func compile(pipeline *template.V2Spec, root, parameters string) (*util.Workflow, error) {
	run := &model.Run{DisplayName: "acceptance", K8SName: "acceptance", Namespace: "kubeflow"}
	run.RuntimeConfig = runtime(root, parameters)
	made, err := pipeline.RunWorkflow(run, template.RunWorkflowOptions{RunID: runID})
	if err != nil {
		return nil, err
	}
	workflow, ok := made.(*util.Workflow)
	if !ok {
		return nil, fmt.Errorf("an Argo workflow must come out, got %T", made)
	}
	return workflow, nil
}

func schedule(pipeline *template.V2Spec, expression, root string) error {
	// The API server stores any expression; the controller that fires it parses it with this parser.
	if _, err := cron.Parse(expression); err != nil {
		return err
	}
	job := &model.Job{DisplayName: "acceptance", K8SName: "acceptance", Namespace: "kubeflow", MaxConcurrency: 1,
		NoCatchup: true, Enabled: true}
	job.Trigger.CronSchedule.Cron = &expression
	// What runs by the clock is given nothing.
	job.RuntimeConfig = runtime(root, "{}")
	made, err := pipeline.ScheduledWorkflow(job)
	if err != nil {
		return err
	}
	if made.Spec.Workflow == nil || made.Spec.Trigger.CronSchedule == nil {
		return fmt.Errorf("a workflow and a cron trigger must come out, got %+v", made.Spec)
	}
	return nil
}

func runtime(root, parameters string) model.RuntimeConfig {
	return model.RuntimeConfig{Parameters: model.LargeText(parameters), PipelineRoot: model.LargeText(root)}
}

// judgeCrons writes one JSON line for each expression: what the scheduler's parser says to it.
func judgeCrons(from io.Reader, to io.Writer) error {
	lines := bufio.NewScanner(from)
	answers := json.NewEncoder(to)
	for lines.Scan() {
		_, err := cron.Parse(lines.Text())
		if err := answers.Encode(map[string]any{"cron": lines.Text(), "accepted": err == nil}); err != nil {
			return err
		}
	}
	return lines.Err()
}

func passed(stage, what string) {
	fmt.Fprintf(os.Stderr, "passed  %-14s %s\n", stage, what)
}
