module tfx-edge/kfp_acceptance

go 1.26.0
