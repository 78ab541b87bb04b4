cwlVersion: v1.0
class: Workflow
inputs:
  words: File
outputs:
  broken:
    type: File
    outputSource: breaking/made
steps:
  upper:
    run: upper.cwl
    in: {words: words}
    out: [made]
  breaking:
    run: breaking.cwl
    in: {words: upper/made}
    out: [made]
