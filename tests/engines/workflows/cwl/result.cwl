cwlVersion: v1.0
class: Workflow
inputs:
  words: File
outputs:
  result:
    type: File
    outputSource: join/made
steps:
  upper:
    run: upper.cwl
    in: {words: words}
    out: [made]
  count:
    run: count.cwl
    in: {words: words}
    out: [made]
  join:
    run: join.cwl
    in: {first: upper/made, second: count/made}
    out: [made]
