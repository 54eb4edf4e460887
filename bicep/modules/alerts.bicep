metadata description = 'What wakes somebody up. Alerts are read from the app\'s own log lines (one line, one event, then key=value) and from the host\'s requests; a test holds every line named here against the code that writes it.'

@description('Required. Name of the action group.')
param actionGroupName string

@description('Required. Who is told by mail; empty for nobody, and alerts are in the portal alone.')
param email string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Workspace with the logs.')
param workspaceId string

// A row: how a line begins, what else is in it (a regular expression), and what that means to who reads the mail.
var urgent = [
  { begins: 'item dead ', matches: '', means: 'a change could not be handled and is a dead letter: notifications-poison, redrive after the cause is gone' }
  { begins: 'envelope unreadable ', matches: '', means: 'a message of queue notifications could not be read and is a dead letter' }
  { begins: 'event unreadable ', matches: '', means: 'an event of the hub could not be read and is a dead letter' }
  { begins: 'partition stands still ', matches: '', means: 'nothing can be kept, and a partition of the hub waits: nothing is lost within seven days' }
  { begins: 'delivery turned away ', matches: '', means: 'storage is away: Graph is answered 503 and sends again for four hours' }
  { begins: 'delivery id=', matches: 'status=413 ', means: 'a delivery was too large and is lost: raise MAX_BODY_BYTES' }
  { begins: 'envelope via=', matches: 'age_ms=[0-9]{9}', means: 'changes wait for more than a day: a message lives seven' }
  { begins: 'subscription name=', matches: 'outcome=failed ', means: 'a subscription could not be created or renewed and may expire' }
  { begins: 'subscription gap ', matches: '', means: 'a subscription was dead for a while: a catch-up is under way' }
  { begins: 'gap cannot be closed ', matches: '', means: 'what was missed cannot be had from Graph any more' }
  { begins: 'catch-up stopped ', matches: '', means: 'what was missed is not looked for any further by itself' }
  { begins: 'changes go unheard: ', matches: '', means: 'Graph does not tell of changes that are there: the subscription is polled' }
  { begins: 'renewal: nothing is declared ', matches: '', means: 'the subscriptions file cannot be read: nothing is created' }
  { begins: '', matches: ' will not run: ', means: 'a part of the app lacks settings and is left out' }
]

var worthALook = [
  { begins: 'subscription unusually quiet ', matches: '', means: 'a subscription is quiet for longer than it ever was' }
  { begins: 'encryption certificate ', matches: '', means: 'the encryption certificate expires soon, or there is none' }
  { begins: 'a subscription that nobody knows ', matches: '', means: 'Graph has a subscription of this app that no row knows' }
  { begins: 'lifecycle: changes were missed ', matches: '', means: 'Graph says that it could not deliver: a catch-up is under way' }
  { begins: 'the subscriptions file is wrong', matches: '', means: 'the subscriptions file has a mistake: what it said before stays in force' }
  { begins: 'delivery id=', matches: 'refused=[^ ]+:[0-9]', means: 'something that is not from Graph, or not for us, came in and was dropped' }
  { begins: 'events partition=', matches: 'refused=[^ ]+:[0-9]', means: 'something that is not for us came in by the hub and was dropped' }
]

// each row becomes two arguments of KQL's case(): a condition, and what it means
var urgentCases = [for row in urgent: '${empty(row.begins) ? 'true' : 'Message startswith_cs "${row.begins}"'}${empty(row.matches) ? '' : ' and Message matches regex "${row.matches}"'}, "${row.means}"']
var worthALookCases = [for row in worthALook: '${empty(row.begins) ? 'true' : 'Message startswith_cs "${row.begins}"'}${empty(row.matches) ? '' : ' and Message matches regex "${row.matches}"'}, "${row.means}"']

var rules = [
  {
    name: 'urgent'
    title: 'Earshot: changes are lost or about to be'
    severity: 1
    query: 'AppTraces | extend Problem = case(${join(urgentCases, ', ')}, "") | where Problem != ""'
    measure: ''
    dimension: 'Problem'
    operator: 'GreaterThan'
    threshold: 0
    // twice as long as the pause between two looks: a line may be minutes on its way
    window: 'PT30M'
  }
  {
    name: 'worth-a-look'
    title: 'Earshot: something is not as it should be'
    severity: 3
    query: 'AppTraces | extend Problem = case(${join(worthALookCases, ', ')}, "") | where Problem != ""'
    measure: ''
    dimension: 'Problem'
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT1H'
  }
  {
    name: 'renewal-silent'
    title: 'Earshot: nobody looks after the subscriptions: the renewal, due every five minutes, did not run'
    severity: 1
    query: 'AppTraces | where Message startswith_cs "renewal declared="'
    measure: ''
    dimension: ''
    operator: 'LessThan'
    threshold: 1
    window: 'PT1H'
  }
  {
    name: 'slow-ack'
    title: 'Earshot: one answer in a hundred takes over 2 s; from 3 s on Graph slows down, then drops'
    severity: 2
    query: 'AppRequests | where Name in ("notifications", "lifecycle") | summarize P99 = percentile(DurationMs, 99), Calls = count() | where Calls >= 20'
    measure: 'P99'
    dimension: ''
    operator: 'GreaterThan'
    threshold: 2000
    window: 'PT15M'
  }
  {
    name: 'failures'
    title: 'Earshot: a function fails again and again'
    severity: 2
    query: 'AppRequests | where Success == false and not(ResultCode startswith "4")'
    measure: ''
    dimension: 'Name'
    operator: 'GreaterThan'
    threshold: 5
    window: 'PT15M'
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'earshot'
    enabled: true
    emailReceivers: empty(email) ? [] : [
      {
        name: 'on-call'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'earshot-${rule.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    severity: rule.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: rule.window
    autoMitigate: true
    // a workspace that is a minute old has no table yet
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: empty(rule.measure) ? 'Count' : 'Maximum'
          metricMeasureColumn: empty(rule.measure) ? null : rule.measure
          dimensions: empty(rule.dimension) ? [] : [
            {
              name: rule.dimension
              operator: 'Include'
              values: ['*']
            }
          ]
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [actionGroup.id] }
  }
}]
