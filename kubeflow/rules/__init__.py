"""What a package must hold so that open-source Kubeflow Pipelines runs it; one pure function for each rule.

A rule gives one sentence for each place that breaks it, and none when the package keeps it. `kubeflow.check` holds the
table of all rules.
"""
