import * as pulumi from '@pulumi/pulumi';
import { InfraError } from '../../errors.ts';
import { budgets } from './sdk.ts';

export interface BudgetArgs {
  readonly accountId: string;
  /** Value of the tag `modelmile:stack` of what is counted. Billing must have it activated as a cost allocation tag. */
  readonly stack: string;
  readonly usdPerMonth: number;
  /** Who is told. */
  readonly emails: readonly string[];
}

/** Tells someone while there is still time: at half of the month's money, at 80 %, and when the month is forecast to end above it. */
export class Budget extends pulumi.ComponentResource {
  constructor(name: string, args: BudgetArgs, opts?: pulumi.ComponentResourceOptions) {
    super('modelmile:environment:Budget', name, {}, opts);
    if (args.emails.length === 0) {
      throw new InfraError('SETTING_INVALID', 'budget.emails: is empty, so the budget would tell nobody.');
    }
    const notify = (threshold: number, notificationType: 'ACTUAL' | 'FORECASTED') => ({
      comparisonOperator: 'GREATER_THAN',
      threshold,
      thresholdType: 'PERCENTAGE',
      notificationType,
      subscriberEmailAddresses: [...args.emails],
    });
    new budgets.Budget(
      name,
      {
        accountId: args.accountId,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        limitAmount: String(args.usdPerMonth),
        limitUnit: 'USD',
        costFilters: [{ name: 'TagKeyValue', values: [`user:modelmile:stack$${args.stack}`] }],
        notifications: [notify(50, 'ACTUAL'), notify(80, 'ACTUAL'), notify(100, 'FORECASTED')],
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
