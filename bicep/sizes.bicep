// The three sizes, as one table: a size is a row, and `scale` in main.bicep changes single cells of it.

@export()
@description('What a size is made of.')
type sizeSettings = {
  @description('Memory of an instance in MB; Azure adds 0.25, 1 or 2 cores.')
  instanceMemoryMB: 512 | 2048 | 4096

  @description('Instances that the app may have at most; Azure takes 40 to 1000.')
  maximumInstanceCount: int

  @description('Webhook calls that one instance answers at the same time. Azure would take 1 for Python, and start an instance for every further call.')
  httpConcurrency: int

  @description('Instances that are always there for HTTP, for the processor, and in pull mode for the hub. 0 means cold starts, and Graph waits 3 seconds.')
  alwaysReady: {
    http: int
    processor: int
    eventHub: int
  }

  @description('Event Hubs: throughput units to begin with, units that it may grow to, partitions (fixed for ever in this tier).')
  eventHub: {
    throughputUnits: int
    maximumThroughputUnits: int
    partitions: int
  }

  @description('SignalR: tier and units.')
  signalR: {
    tier: 'Free_F1' | 'Standard_S1' | 'Premium_P1'
    units: int
  }

  @description('Days that logs are kept.')
  logDays: int

  @description('GB of logs a day after which no more are taken, and alerts are blind; -1 for no limit.')
  logDailyQuotaGB: int

  @description('Days in which a deleted vault or secret can be had back, 7 to 90. It cannot be changed afterwards, and the name is taken for as long.')
  vaultRetentionDays: int
}

@export()
@description('Cells of that table that are to be others.')
type scaleOverrides = {
  instanceMemoryMB: (512 | 2048 | 4096)?
  maximumInstanceCount: int?
  httpConcurrency: int?
  alwaysReady: {
    http: int?
    processor: int?
    eventHub: int?
  }?
  eventHub: {
    throughputUnits: int?
    maximumThroughputUnits: int?
    partitions: int?
  }?
  signalR: {
    tier: ('Free_F1' | 'Standard_S1' | 'Premium_P1')?
    units: int?
  }?
  logDays: int?
  logDailyQuotaGB: int?
  vaultRetentionDays: int?
}

@export()
@description('small costs pennies while nothing happens, and its first call after a pause is late; standard answers Graph in time; large is for millions of changes an hour.')
var sizes = {
  small: {
    instanceMemoryMB: 512
    maximumInstanceCount: 40
    httpConcurrency: 8
    alwaysReady: { http: 0, processor: 0, eventHub: 0 }
    eventHub: { throughputUnits: 1, maximumThroughputUnits: 1, partitions: 4 }
    signalR: { tier: 'Free_F1', units: 1 }
    logDays: 30
    logDailyQuotaGB: 1
    vaultRetentionDays: 7
  }
  standard: {
    instanceMemoryMB: 2048
    maximumInstanceCount: 100
    httpConcurrency: 32
    alwaysReady: { http: 1, processor: 1, eventHub: 1 }
    eventHub: { throughputUnits: 1, maximumThroughputUnits: 10, partitions: 8 }
    signalR: { tier: 'Standard_S1', units: 1 }
    logDays: 30
    logDailyQuotaGB: -1
    vaultRetentionDays: 90
  }
  large: {
    instanceMemoryMB: 2048
    maximumInstanceCount: 400
    httpConcurrency: 64
    alwaysReady: { http: 4, processor: 4, eventHub: 4 }
    eventHub: { throughputUnits: 4, maximumThroughputUnits: 40, partitions: 32 }
    signalR: { tier: 'Standard_S1', units: 5 }
    logDays: 90
    logDailyQuotaGB: -1
    vaultRetentionDays: 90
  }
}
