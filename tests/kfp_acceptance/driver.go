package main

import (
	"fmt"

	"github.com/kubeflow/pipelines/api/v2alpha1/go/pipelinespec"
	"github.com/kubeflow/pipelines/backend/src/apiserver/template"
	"github.com/kubeflow/pipelines/backend/src/v2/expression"
	"github.com/kubeflow/pipelines/kubernetes_platform/go/kubernetesplatform"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

// executors reads the settings of pods as the driver does on the cluster, but knows of no field that it may leave out.
func executors(pipeline *template.V2Spec) (int, error) {
	platform := pipeline.PlatformSpec().GetPlatforms()["kubernetes"]
	settings := platform.GetDeploymentSpec().GetExecutors()
	for name, given := range settings {
		text, err := protojson.Marshal(given)
		if err != nil {
			return 0, err
		}
		if err := protojson.Unmarshal(text, &kubernetesplatform.KubernetesExecutorConfig{}); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return len(settings), nil
}

// conditions asks the driver's own evaluator about every condition of a task: with new data it must let the task run,
// without them it must not.
func conditions(pipeline *template.V2Spec) (int, error) {
	evaluator, err := expression.New()
	if err != nil {
		return 0, err
	}
	spec, count := pipeline.PipelineSpec(), 0
	for name, task := range spec.GetRoot().GetDag().GetTasks() {
		condition := task.GetTriggerPolicy().GetCondition()
		if condition == "" {
			continue
		}
		count++
		inputs := spec.GetComponents()[task.GetComponentRef().GetName()].GetInputDefinitions().GetArtifacts()
		for value, wanted := range map[float64]bool{1: true, 0: false} {
			runs, err := evaluator.Condition(told(inputs, value), condition)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", name, condition, err)
			}
			if runs != wanted {
				return 0, fmt.Errorf("%s: %s is %t when new is %g", name, condition, runs, value)
			}
		}
	}
	return count, nil
}

// told is what the driver knows when it looks at a condition: every input artifact, with its metadata.
func told(inputs map[string]*pipelinespec.ComponentInputsSpec_ArtifactSpec, value float64) *pipelinespec.ExecutorInput {
	artifacts := map[string]*pipelinespec.ArtifactList{}
	for name := range inputs {
		metadata := &structpb.Struct{Fields: map[string]*structpb.Value{"new": structpb.NewNumberValue(value)}}
		artifacts[name] = &pipelinespec.ArtifactList{
			Artifacts: []*pipelinespec.RuntimeArtifact{{Name: "1", Uri: "s3://bucket/key", Metadata: metadata}},
		}
	}
	return &pipelinespec.ExecutorInput{Inputs: &pipelinespec.ExecutorInput_Inputs{Artifacts: artifacts}}
}
