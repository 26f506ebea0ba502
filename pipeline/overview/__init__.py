"""What a workspace holds, gathered for people: its runs, its cycles, its versions, and the run that goes on."""
